package lessons

import (
	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner"
)

// The lessons of the seed's topics, in its order.

const (
	atEnd = faultfs.OpNone // a program has come to its end

	whatCanBeLost = "The power fails now. What can be on the disk when it comes back? What can be lost?"
)

func renameLesson() Lesson {
	inPlace, renamed := saving("in-place", saveInPlace), saving("by-rename", saveByRename)
	synced, durable := saving("synced", saveSynced), saving("durable", saveDurably)
	return Lesson{
		Name: "rename", Title: "Atomic rename, step by step",
		About: "how to replace a file, and what each missing step costs",
		scenes: []scene{
			{"Writing in place", []piece{
				say("A program keeps its settings in /conf. The disk holds \"old\". Now it saves \"new\", in the most direct way there is.",
					"os.WriteFile does just this. os.O_TRUNC empties the file before the first byte is written."),
				code("saveInPlace"),
				cache(inPlace, atEnd),
				say("A write goes to the page cache, which is memory. The kernel carries it to the disk when it likes, often half a minute later, and piece by piece."),
				ask(whatCanBeLost),
				now(inPlace, atEnd, "posix"),
				say("Not only old or new. The size and the data of a file are two things, and each of them reaches the disk on its own."),
			}},
			{"Write another file, then rename", []piece{
				say("rename(2) puts a whole file in the place of another one, and no program ever sees anything between. So write the new version beside the old one, and rename it."),
				code("saveByRename"),
				ops(renamed),
				cache(renamed, atEnd),
				ask("Every program sees old or new. Does the disk?"),
				now(renamed, atEnd, "posix"),
				crash(renamed, map[string]string{"kill": "kept", "strict": "kept", "ext4 posix": "broken(torn)"}),
				say("The rename reached the disk before the data of the file that it moved. Nothing had told the kernel that the one needs the other."),
			}},
			{"Sync the file first", []piece{
				say("fsync(2), Sync in Go, returns when all of a file is on the disk. Call it before the rename: then whatever the new name leads to is whole."),
				code("saveSynced"),
				ask("Which of the disks of before are still possible?"),
				gone(renamed, synced, "posix"),
				crash(synced, map[string]string{"kill strict ext4 xfs btrfs posix": "kept"}),
				say("The promise \"old or new, whole\" holds now. It took one sync."),
			}},
			{"Sync the directory last", []piece{
				say("Often that is not all that is promised. The program says \"saved\", the user closes the lid. Old is a broken promise from then on.",
					"A name is part of its directory, not of the file. The rename is on the disk when the directory is."),
				ask("The program has synced the file, renamed it, and says that it is done. Is it?"),
				crash(telling(synced), map[string]string{"kill": "kept", "strict posix": "broken(stale)"}),
				code("saveDurably", "syncDir"),
				crash(telling(durable), map[string]string{"kill strict ext4 xfs btrfs posix": "kept"}),
			}},
			{"What each missing step costs", []piece{
				say("Back to the program without any sync that says it is done. Instead of guessing, search: all sets of syncs, the smallest first, each proved by crashing the program with it everywhere."),
				ask("How many syncs does it lack, and where?"),
				fixed(telling(renamed), "posix", 2),
				say("Without the first of them the file may be torn. Without the second the old one may come back. Writing in place is not on this list: no sync can help it."),
				fixed(telling(inPlace), "posix", -1),
			}},
		},
		Remember: []string{
			"Write a new file, sync it, close it, rename it, sync the directory.",
			"What programs see comes from the page cache. It says nothing about the disk.",
			"The sync before the rename makes it atomic. The sync after it makes it durable.",
		},
		Try: []string{"crashsim run seed-atomic-rename seed-atomic-rename-fixed", "crashsim fix rename-without-fsync"},
	}
}

func deferLesson() Lesson {
	synced, late := saving("synced", saveSynced), saving("close-deferred", saveCloseDeferred)
	lazy := saving("sync-deferred", saveSyncDeferred)
	order := runner.Scenario{
		Name: "order", Workload: func(fs *faultfs.FS) error { deferOrder(fs); return nil }, Oracle: synced.Oracle,
	}
	return Lesson{
		Name: "defer", Title: "defer, Close and Rename",
		About: "what runs when a function returns, and whether Close after Rename matters",
		scenes: []scene{
			{"Last in, first out", []piece{
				say("A deferred call runs when the function returns, and the last one deferred runs first. Here the calls leave marks."),
				code("deferOrder"),
				ask("In which order do the marks appear?"),
				ops(order),
			}},
			{"Close after Rename", []piece{
				say("So a deferred Close comes after everything else, the rename too."),
				code("saveCloseDeferred"),
				ops(late),
				ask("The file is renamed while it is still open. Can a crash leave anything that it could not leave before?"),
				same(synced, late, "posix"),
				say("Close writes nothing and forces nothing. It gives back a descriptor. For a crash it is as if it were not there, before the rename or after it."),
			}},
			{"Close is no sync", []piece{
				say("This is the other half of it: a Close before the rename does not help either, if nothing was synced."),
				code("saveByRename"),
				ask("Closed, then renamed. Is the new file whole?"),
				crash(saving("by-rename", saveByRename), map[string]string{"posix": "broken(torn)"}),
			}},
			{"Sync must not be deferred", []piece{
				say("What is deferred must be something that can wait. A Sync cannot: it has to come before the rename."),
				code("saveSyncDeferred"),
				ops(lazy),
				ask("When the function has returned, all of the data is synced. Where is the hole?"),
				crash(lazy, map[string]string{"kill strict": "kept", "posix": "broken(torn)"}),
				say("Between the rename and the deferred sync the power may fail. And whoever defers a Sync throws its error away, which is the one error that tells of lost data."),
			}},
		},
		Remember: []string{
			"Close changes nothing on the disk. When it runs does not matter to a crash; its error does to you.",
			"Sync before Rename, as a call of its own, with its error looked at.",
		},
		Try: []string{"crashsim run seed-defer-close seed-defer-close-fixed", "crashsim audit seed-defer-close-fixed"},
	}
}

func checksumLesson() Lesson {
	plain := logging("plain-log", logLine, readLines, long("deposit 5"), long("withdraw 3"))
	checked := logging("checked-log", logLine, readSealed, sealed("deposit 5\n"), sealed("withdraw 3\n"))
	unsynced := logging("unsynced-log", logUnsynced, readSealed, sealed("deposit 5\n"), sealed("withdraw 3\n"))
	old := telling(saving("synced", saveSynced))
	return Lesson{
		Name: "checksums", Title: "Checksums: what they can and cannot tell",
		About: "a log with a checksum in each record, and what no checksum knows",
		scenes: []scene{
			{"A log without", []piece{
				say("A program appends a line to /log, syncs it, and says that it is done. What was told of is safe. But what of the line that was being appended when the power failed?"),
				code("logLine", "readLines"),
				ask("The lines are longer than a page. The reader takes what ends with a newline. Can it return a line that nobody ever appended?"),
				now(plain, faultfs.OpWrite, "posix"),
				crash(plain, map[string]string{"kill": "kept", "posix": "broken(torn)"}),
				say("The end of the line may be on the disk and its beginning not. There is a newline where one should be, and what stands before it is not what was written."),
			}},
			{"A log with", []piece{
				say("Now each line begins with a checksum of itself. The reader stops at the first line that does not match: that is where the torn tail begins."),
				code("sealed", "readSealed"),
				ask("Every crash, every model: is every acknowledged record there, and nothing else?"),
				crash(checked, map[string]string{"kill strict ext4 xfs btrfs posix": "kept"}),
			}},
			{"A checksum brings nothing back", []piece{
				say("Checksums feel safe. So somebody takes the sync out, since it is slow, and the checksums will tell if anything goes wrong."),
				code("logUnsynced"),
				ask("What does the checksum do for a record that was acknowledged and is not there?"),
				crash(unsynced, map[string]string{"kill": "kept", "strict ext4 xfs btrfs posix": "broken(lost)"}),
				say("It notices, at best. A record that is gone as a whole leaves nothing to notice: the log ends earlier, and every checksum in it is right."),
			}},
			{"Old data has a right checksum", []piece{
				say("The same with a file that is replaced. The program syncs the new file, renames it, and says that it is done, without a sync of the directory."),
				ask("The file has a checksum inside. Which of the disks does it refuse?"),
				now(old, atEnd, "posix"),
				crash(old, map[string]string{"posix": "broken(stale)"}),
				say("None: each is a whole version, with a checksum that is right. The checksum tells that something is what was written. It cannot tell that it is what was written last."),
			}},
		},
		Remember: []string{
			"A checksum finds torn and altered data. It gives nothing back, and it does not miss what is gone.",
			"Checksums decide where the log ends. Syncs decide what must stand before that end.",
		},
		Try: []string{"crashsim run seed-checksum-log seed-checksum-log-fixed", "crashsim run 'append-log*'"},
	}
}

func fsyncLesson() Lesson {
	file, both := creating("file-synced", createSynced, "/note", "hello"), creating("both-synced", createDurably, "/note", "hello")
	deep := creating("new-directory", createInNewDir, "/notes/first", "hello")
	return Lesson{
		Name: "fsync", Title: "fsync of the file, fsync of the directory",
		About: "what an fsync forces, and what it does not",
		scenes: []scene{
			{"Before and after", []piece{
				say("A program creates a file and writes to it."),
				code("createSynced"),
				cache(file, faultfs.OpWrite),
				ask(whatCanBeLost),
				now(file, faultfs.OpWrite, "posix"),
				say("Now the sync. It returns when the file is on the disk, so it takes possibilities away."),
				now(file, faultfs.OpFsync, "posix"),
			}},
			{"The name is somewhere else", []piece{
				say("One disk too many is left: the file is synced, and it has no name. The name is an entry of the directory, and nobody has synced that."),
				ask("Which file systems put the name on the disk along with the file?"),
				crash(file, map[string]string{"kill": "kept", "ext4": "kept", "xfs": "kept", "btrfs": "kept", "posix": "broken(lost)"}),
				say("Those that Linux has do, for a new file. The standard promises it nowhere. A program that is to run anywhere syncs the directory:"),
				code("createDurably", "syncDir"),
				now(both, atEnd, "posix"),
				crash(both, map[string]string{"kill strict ext4 xfs btrfs posix": "kept"}),
			}},
			{"All the way up", []piece{
				say("The same holds for a directory. It is a name in the directory above."),
				code("createInNewDir"),
				ops(deep),
				ask("The file is synced, and its directory too. What is missing?"),
				crash(deep, map[string]string{"posix": "broken(lost)"}),
				fixed(deep, "posix", 1),
			}},
		},
		Remember: []string{
			"fsync of a file: its data, size and mode. Not its name.",
			"fsync of a directory: the names in it. Not the files that they lead to.",
			"Whoever makes a directory syncs the one above it.",
		},
		Try: []string{"crashsim run rename-without-directory-fsync", "crashsim models posix"},
	}
}
