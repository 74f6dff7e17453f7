package main

const redisPersistence = "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/"

// aofNUL is what redis does about an append of which the size has persisted and the
// data have not.
const aofNUL = "Redis drops a last command that is cut short, but it takes an append that has its size and not its data, which is then NUL, for a " +
	"bad file format, and does not start."

func redis() []finding {
	store := func(f finding) finding {
		f.section, f.debian, f.version, f.source = databases, "redis-server redis-tools", "7.0.15", redisPersistence
		return f
	}
	return []finding{
		store(finding{
			name:    "redis, appendfsync always",
			promise: "always: fsync every time new commands are appended to the AOF; very very slow, very safe. When the tail of the file is broken, it is loaded, and the last non well formed command discarded",
			setup:   "redis-store init", run: "redis-store set always", check: "redis-store check",
			verdicts: all("refused", "kept", "kill strict"),
			story:    "No acknowledged key is ever lost. " + aofNUL + " `redis-check-aof --fix` repairs the file.",
			sites:    []string{"flushAppendOnlyFile"},
			lacks:    "none: each append is synced before its reply (`aof.c:1246`). What is missing is that the loader takes a tail of NUL for a tail that is cut short.",
		}),
		store(finding{
			name:    "redis, appendfsync always, and redis-check-aof",
			promise: "if the AOF is corrupted and not just truncated, redis-check-aof --fix repairs it, and may discard all from the invalid part to the end of the file",
			setup:   "redis-store init", run: "redis-store set always", check: "redis-store repair >/dev/null; redis-store check",
			verdicts: all("kept"),
			story:    "What is discarded is the append that has no data, and nobody had been told of that one.",
		}),
		store(finding{
			name:    "redis, appendfsync everysec",
			promise: "everysec: fsync every second; you may lose 1 second of data if there is a disaster",
			setup:   "redis-store init", run: "redis-store set everysec", check: "redis-store check", losses: 1,
			verdicts: all("lost, refused", "kept", "kill", "lost", "strict"),
			story:    "As it says, keys of the last second are lost, which the check here counts as lost. " + aofNUL,
			sites:    []string{"flushAppendOnlyFile"},
			lacks:    "`aof.c:1127`, the write of `flushAppendOnlyFile`: a thread syncs it later.",
		}),
		store(finding{
			name:    "redis, appendfsync no",
			promise: "no: never fsync, just put your data in the hands of the operating system; the faster and less safe method",
			setup:   "redis-store init", run: "redis-store set no", check: "redis-store check",
			verdicts: all("lost, refused", "kept", "kill", "lost", "strict"),
			story:    "As it says, acknowledged keys can be lost. " + aofNUL,
			sites:    []string{"flushAppendOnlyFile"},
			lacks:    "`aof.c:1127`, the write of `flushAppendOnlyFile`.",
		}),
		store(finding{
			name:    "redis, first start",
			promise: "always: fsync every time new commands are appended to the AOF; very very slow, very safe",
			run:     "redis-store set always", check: "redis-store check", losses: 1,
			verdicts: all("refused", "kept", "kill strict", "lost, refused", "posix"),
			story: "The directory `appendonlydir` is made and never synced into its own parent: on a disk that promises only what POSIX does, the whole database can be missing after a reply. " +
				"Where names have no order, the manifest can also be there before the file that it names, and redis does not start.",
			sites: []string{"dirCreateIfMissing", "flushAppendOnlyFile"},
			lacks: "`dirCreateIfMissing` (`util.c:992`), a sync of the parent after its `mkdir`; `aofOpenIfNeededOnServerStart` (`aof.c:746`), a sync of the directory after the new file is made and before the manifest names it.",
		}),
	}
}
