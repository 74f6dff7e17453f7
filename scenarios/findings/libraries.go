package main

// library is a finding about a store of this command: a use of it that puts two
// values, or another one.
func library(store string, f finding) finding {
	if f.run == "" {
		f.run = "findings " + store + " put db"
	}
	f.setup, f.check = "findings "+store+" init db", "findings "+store+" check db"
	if f.section == "" {
		f.section = goStores
	}
	return f
}

func libraries() []finding {
	return append([]finding{
		library("goleveldb-sync", finding{
			name: "goleveldb, Sync", section: databases, module: "github.com/syndtr/goleveldb", losses: 1,
			promise:  "Sync being true means write followed by fsync",
			source:   "https://pkg.go.dev/github.com/syndtr/goleveldb@v1.0.0/leveldb/opt#WriteOptions",
			verdicts: all("refused", "kept", "kill", none, "strict"),
			story: "Each start writes a new manifest, and a file CURRENT.N that leads to it; the manifest is not synced before. " +
				"Recovery prefers that file to CURRENT, finds a manifest that is NUL or leads to a table that is missing, and the database does not open, though what CURRENT leads to is whole.",
			sites: []string{"leveldb/storage.go:60", "storage/file_storage.go:504"},
			lacks: "`leveldb/session_util.go:244`, `newManifest`: a sync of the manifest before `SetMeta`; and a sync of the directory before it, where names have no order.",
			later: "the next commits (v1.0.1-0.20220721030215-126854af5e6d, no release has them) sync the manifest.",
			fixed: &fixed{replace: "github.com/syndtr/goleveldb@v1.0.1-0.20220721030215-126854af5e6d",
				verdicts: all(none, "kept", "kill")},
		}),
		library("buntdb-always", finding{
			name: "buntdb, Always", section: databases, module: "github.com/tidwall/buntdb",
			promise:  "Always is used to sync data after every write to disk. Slow. Very safe",
			source:   "https://github.com/tidwall/buntdb#durability-and-fsync",
			verdicts: all("refused", "kept", "kill strict"),
			story: "No acknowledged value is lost. But where the first page of an append has not persisted and the second has, the database does not open; " +
				"an append that is cut short, or is NUL as a whole, is dropped.",
			sites: []string{"buntdb@v1.3.0/buntdb.go:1214"},
			lacks: "none: each commit is synced before it returns (`buntdb.go:1235`). What is missing is a checksum, or a `readLoad` that drops such a tail.",
		}),
		library("buntdb-always", finding{
			name: "buntdb, Shrink", section: databases, module: "github.com/tidwall/buntdb", run: "findings buntdb-always tidy db",
			promise:  "Shrink will make the database file smaller by removing redundant log entries. This operation does not block the database",
			source:   "https://pkg.go.dev/github.com/tidwall/buntdb#DB.Shrink",
			verdicts: all("lost, refused", "kept", "kill strict"),
			story: "Shrink writes a new file and renames it over the database without a sync, also with the policy Always. " +
				"The name can persist before the data: then all values are gone, or the database does not open.",
			sites: []string{"buntdb@v1.3.0/buntdb.go:756"},
			lacks: "`buntdb.go:749`, `f.Sync()` before `f.Close()` in `Shrink`.",
			fixed: &fixed{edits: []edit{{"buntdb.go", "		if err := f.Close(); err != nil {\n", "		if err := f.Sync(); err != nil {\n			return err\n		}\n		if err := f.Close(); err != nil {\n"}},
				verdicts: all("kept")},
		}),
		library("badger-sync", finding{
			name: "badger, SyncWrites", section: databases, module: "github.com/dgraph-io/badger/v4", losses: 1,
			promise:  "When set to true, Badger would call an additional msync after writes to flush mmap buffer over to disk to survive hard reboots",
			source:   "https://pkg.go.dev/github.com/dgraph-io/badger/v4#Options.WithSyncWrites",
			verdicts: all("refused", "torn, refused", "posix"),
			story: "A memtable's file is created, and then extended: a kill between the two leaves it empty, and then the database does not open (\"Create a new file\"). " +
				"Nobody syncs the directory after a new value log is made: under posix a value can lead into a file that is missing, and be empty.",
			sites: []string{"z/file.go:68"},
			lacks: "no sync helps against the first: `memtable.go`, `openMemTables` refuses a file of no bytes. For the second, a sync of the directory after `z.OpenMmapFile` (`ristretto/z/file.go:68`).",
		}),
		library("badger", finding{
			name: "badger, as it comes", section: databases, module: "github.com/dgraph-io/badger/v4", losses: 1,
			promise:  "all writes go through a map, and can survive process crashes with SyncWrites set to false",
			source:   "https://pkg.go.dev/github.com/dgraph-io/badger/v4#Options.WithSyncWrites",
			verdicts: all("lost, torn, refused", "refused", "kill strict"),
			story: "Acknowledged values can be lost when the power is cut; of that nothing is said. But a kill can also leave the new file of a memtable empty, and then the database does not open (\"Create a new file\"); " +
				"and a page of the value log can be missing to which the log of the memtable leads, so that a value is empty.",
			sites: []string{"z/file.go:68"},
			lacks: "`memtable.go`, `writeToLSM`, and `value.go`: no sync of the map under this option. No sync helps against the empty file: `openMemTables` refuses it.",
		}),
		library("tidwall-wal", finding{
			name: "tidwall/wal", section: databases, module: "github.com/tidwall/wal",
			promise:  "High durability; by default: fsync after every write",
			source:   "https://github.com/tidwall/wal#readme",
			verdicts: all("torn, refused", "kept", "kill", "refused", "strict", "lost, torn, refused", "posix"),
			story: "The last entry has no checksum: where its write was not finished, the log does not open (\"log corrupt\"), or gives back an entry that is NUL at its end. " +
				"A new segment is not synced into its directory: under posix it can be missing with all entries that were acknowledged.",
			sites: []string{"wal@v1.2.1/wal.go:481", "wal@v1.2.1/wal.go:369"},
			lacks: "`wal.go:369`, `cycle`: a sync of the directory after the new segment is made. Against an unfinished write no sync helps; a checksum would.",
		}),
		library("raft-wal", finding{
			name: "hashicorp/raft-wal", section: databases, module: "github.com/hashicorp/raft-wal",
			promise:  "crashes at any point must not lose committed log entries or result in a corrupt file",
			source:   "https://github.com/hashicorp/raft-wal#design",
			verdicts: all("kept"),
			story:    "Segments are made at their full size, synced with their directory, and each commit has a checksum over what was written since the last one. A tail that does not agree with it is dropped.",
		}),
		library("dque", finding{
			name: "joncrlsn/dque", section: databases, module: "github.com/joncrlsn/dque",
			promise:  "forces an fsync to disk every time you enqueue or dequeue an item",
			source:   "https://github.com/joncrlsn/dque#readme",
			verdicts: all("lost, torn, refused", "refused", "kill strict"),
			story: "The length of an item and the item are two writes: a kill between the two leaves a queue that does not open. " +
				"Where the length has its size and not its data, it is 0, which is the sign that the item in front was taken, and an item that was acknowledged is lost.",
			sites: []string{"segment.go:233", "segment.go:238"},
			lacks: "none helps: `segment.go:233` and `segment.go:238` would have to be one write, with a checksum.",
		}),
	}, fileStores()...)
}

func fileStores() []finding {
	const dirSync = "the rename is not followed by a sync of the directory"
	return []finding{
		library("raft-snapshot", finding{
			name: "hashicorp/raft, FileSnapshotStore", module: "github.com/hashicorp/raft",
			promise:  "Close is used to indicate a successful end",
			source:   "https://pkg.go.dev/github.com/hashicorp/raft#FileSnapshotSink.Close",
			verdicts: all("kept", "lost, refused", "posix"),
			story: "State and metadata are synced, the directory is renamed, and its parent is synced. " +
				"The directory of the snapshot itself is not: on a disk that promises only what POSIX does, it can be empty.",
			sites: []string{"raft@v1.8.0/file_snapshot.go:207", "raft@v1.8.0/file_snapshot.go:506"},
			lacks: "`file_snapshot.go:422`: a sync of the snapshot's directory before it is renamed.",
		}),
		library("containerd", finding{
			name: "containerd, content store", module: "github.com/containerd/containerd/v2",
			promise:  "once all the data is written, use Writer.Commit to complete the ingestion",
			source:   "https://pkg.go.dev/github.com/containerd/containerd/v2/core/content#Ingester",
			verdicts: all("kept"),
			story:    "Commit syncs the data, renames the blob into its place and syncs the directory. What a cut leaves half done lies in the folder of ingests.",
			later:    "up to v2.1 the directory was not synced, and a blob could be missing after Commit had returned.",
			fixed:    &fixed{replace: "github.com/containerd/containerd/v2@v2.1.0", verdicts: all("lost", "kept", "kill")},
		}),
		library("oras", finding{
			name: "oras-go, blobs of an OCI layout", module: "oras.land/oras-go/v2", losses: 2,
			promise:  "Push pushes the content, matching the expected descriptor",
			source:   "https://pkg.go.dev/oras.land/oras-go/v2/content/oci#Store.Push",
			verdicts: all("lost, torn", "kept", "kill", "lost", "strict"),
			story: "The blob is renamed to its digest without a sync: its name can persist before its data, and then it does not match the digest under which it lies. " +
				"Push sees it as already there, so that it stays.",
			sites: []string{"oci/storage.go:97"},
			lacks: "`content/oci/storage.go:158`, `ingest`: `fp.Sync()` after the content is copied; and a sync of the directory after the rename of line 97, before Push returns.",
			fixed: &fixed{edits: []edit{
				{"content/oci/storage.go", "	// change to readonly\n", "	if err := fp.Sync(); err != nil {\n		return \"\", err\n	}\n\n	// change to readonly\n"},
				{"content/oci/storage.go", "		return err\n	}\n\n	return nil\n}\n", "		return err\n	}\n\n	dir, err := os.Open(filepath.Dir(target))\n	if err != nil {\n		return err\n	}\n	defer dir.Close()\n	return dir.Sync()\n}\n"},
			}, verdicts: all(none, "kept", "kill strict")},
		}),
		library("oras", finding{
			name: "oras-go, Tag", module: "oras.land/oras-go/v2", run: "findings oras tidy db",
			promise:  "Tag tags a descriptor with a reference string",
			source:   "https://pkg.go.dev/oras.land/oras-go/v2/content/oci#Store.Tag",
			verdicts: all("refused"),
			story:    "index.json is emptied and written again in place. Even a kill between the two leaves a layout that does not open.",
			sites:    []string{"oci/oci.go:466"},
			lacks:    "none helps: `content/oci/oci.go:466` would have to write another file and rename it.",
		}),
		library("certmagic", finding{
			name: "certmagic, FileStorage", module: "github.com/caddyserver/certmagic",
			promise:  "Store saves value at key",
			source:   "https://pkg.go.dev/github.com/caddyserver/certmagic#FileStorage.Store",
			verdicts: all("lost", "kept", "kill"),
			story:    "A key is never torn: it is synced before it is renamed into its place. But " + dirSync + ", and so a key can be missing, or be the old one, after Store has returned.",
			sites:    []string{"atomicfile/file.go:114"},
			lacks:    "`internal/atomicfile/file.go:114`: a sync of the directory after the rename.",
			fixed: &fixed{edits: []edit{{
				"internal/atomicfile/file.go", "a.f.Name(), a.name, err)\n	}\n	return nil\n",
				"a.f.Name(), a.name, err)\n	}\n	dir, err := os.Open(filepath.Dir(a.name))\n	if err != nil {\n		return err\n	}\n	defer dir.Close()\n	return dir.Sync()\n",
			}}, verdicts: all("kept")},
		}),
		library("flatfs", finding{
			name: "go-ds-flatfs", module: "github.com/ipfs/go-ds-flatfs",
			promise:  "with sync, files and directories are synced when a value is put",
			source:   "https://pkg.go.dev/github.com/ipfs/go-ds-flatfs#CreateOrOpen",
			verdicts: all("kept"),
			story:    "A value is synced, renamed into its place, and its directory is synced; so is the parent of a new directory.",
		}),
		library("diskv", finding{
			name: "diskv, WriteStream with sync", module: "github.com/peterbourgon/diskv/v3",
			promise:  "if sync is true, WriteStream performs an explicit sync on the file as soon as it's written",
			source:   "https://pkg.go.dev/github.com/peterbourgon/diskv/v3#Diskv.WriteStream",
			verdicts: all("lost", "kept", "kill"),
			story:    "The file is synced, as it says, and is never torn. But " + dirSync + ", and so a value can be missing after WriteStream has returned.",
			sites:    []string{"diskv.go:274"},
			lacks:    "`diskv.go:274`: a sync of the directory after the rename.",
		}),
		library("atomicwriter", finding{
			name: "moby/sys/atomicwriter, acknowledged", module: "github.com/moby/sys/atomicwriter",
			promise:  "WriteFile atomically writes data to a file; it does not say that the file is durable when it returns",
			source:   "https://pkg.go.dev/github.com/moby/sys/atomicwriter#WriteFile",
			verdicts: all("lost", "kept", "kill"),
			story:    "A file is never torn: it is synced before it is renamed, which is all that it promises. But " + dirSync + ", so that the file can be missing after WriteFile has returned.",
			sites:    []string{"atomicwriter@v0.1.0/atomicwriter.go:155"},
			lacks:    "`atomicwriter.go:155`: a sync of the directory after the rename.",
		}),
		library("lumberjack", finding{
			name: "lumberjack, Compress", module: "gopkg.in/natefinch/lumberjack.v2", run: "findings lumberjack tidy db", losses: 1,
			promise:  "Compress determines if the rotated log files should be compressed using gzip",
			source:   "https://pkg.go.dev/gopkg.in/natefinch/lumberjack.v2#Logger",
			verdicts: all("lost", "kept", "kill", none, "strict"),
			story: "The log is compressed into a new file, and then removed, without a sync between the two. " +
				"A line that had been on the disk for long can so be lost: the removal persists and the compressed data do not.",
			sites: []string{"lumberjack.v2@v2.2.1/lumberjack.go:514"},
			lacks: "`lumberjack.go:507`, `gzf.Sync()` before `gzf.Close()` in `compressLogFile`, and a sync of the directory.",
			fixed: &fixed{edits: []edit{{"lumberjack.go", "	if err := gzf.Close(); err != nil {\n		return err\n	}\n",
				"	if err := gzf.Sync(); err != nil {\n		return err\n	}\n	if err := gzf.Close(); err != nil {\n		return err\n	}\n	dir, err := os.Open(filepath.Dir(dst))\n	if err != nil {\n		return err\n	}\n	defer dir.Close()\n	if err := dir.Sync(); err != nil {\n		return err\n	}\n"}},
				verdicts: all(none, "kept", "kill strict")},
		}),
	}
}
