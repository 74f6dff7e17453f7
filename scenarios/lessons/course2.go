package lessons

import "github.com/crashsim/crashsim/faultfs"

func beforeFsyncLesson() Lesson {
	book := creating("book", writeBook, "/book", page("A")+page("B"))
	return Lesson{
		Name: "before-fsync", Title: "A crash just before fsync, three ways",
		About: "lost, half written, or without a name: what may be there when the sync was never reached",
		scenes: []scene{
			{"One moment", []piece{
				say("The program writes two pages of text into a new file. The very next call would be Sync. It is not reached."),
				code("writeBook"),
				cache(book, faultfs.OpWrite),
				ask(whatCanBeLost),
				now(book, faultfs.OpWrite, "posix"),
			}},
			{"Way one: the data is still in the buffer", []piece{
				say("The file is there, the data is not. All of it was in the page cache, and the page cache is gone."),
				ask("Is such a disk among the possible ones, and what does the file hold then?"),
				example(book, faultfs.OpWrite, "posix", "the file, and nothing of its data", noData("/book")),
				say("Empty is the friendly form. Where the new size reached the disk, the file has its full length, of NULs."),
				example(book, faultfs.OpWrite, "posix", "the full size, and nothing of its data", onlyNULs("/book", 2*4096)),
			}},
			{"Way two: partly written", []piece{
				say("The kernel writes page by page, and in any order."),
				ask("Can the second page be there without the first?"),
				example(book, faultfs.OpWrite, "posix", "the second page without the first", onlySecondPage("/book", "B")),
			}},
			{"Way three: the directory was not written", []piece{
				say("The data may be on the disk, every byte of it, and nobody can find it."),
				ask("What does a program find that looks for the file?"),
				example(book, faultfs.OpWrite, "posix", "no name", missing("/book")),
				say("One sync ends ways one and two, another one, of the directory, way three. The promise that the file is there once it is said to be:"),
				fixed(book, "posix", 1),
			}},
		},
		Remember: []string{
			"Before the sync returns, count on nothing: not on the data, not on its order, not on the name.",
			"A recovery must cope with all three, since each program is interrupted here sometimes.",
		},
		Try: []string{"crashsim run 'just-before-fsync-*'", "crashsim list"},
	}
}

func remediesLesson() Lesson {
	often, logged := paying("two-files", transfer), paying("logged", transferLogged)
	hasty := logged
	hasty.Recover, logged.Recover = redoWhatIsRead, redo
	return Lesson{
		Name: "remedies", Title: "Frequent syncs, write-ahead logging, transactions",
		About: "three remedies, and what each of them is good for",
		scenes: []scene{
			{"Frequent syncs", []piece{
				say("Anna pays 10 to Bert. Each has a file with a balance, and each file is replaced as well as can be: new file, sync, rename, sync of the directory."),
				code("transfer", "replace"),
				ops(often),
				ask("Everything is synced at once. Can money be lost?"),
				crash(often, map[string]string{"kill strict ext4 xfs btrfs posix": "broken(torn)"}),
				say("Each file is whole, and together they are wrong. It does not even take a power cut. And more syncs?"),
				fixed(often, "posix", -1),
				say("Frequent syncs make the time shorter in which something can be lost. They cannot make two changes one."),
			}},
			{"Write-ahead logging", []piece{
				say("First write down what is going to be done, and sync that. Then do it. After a crash, do again what is written down."),
				code("transferLogged", "redoWhatIsRead"),
				ask("Where must the power fail to lose money now?"),
				crash(hasty, map[string]string{"kill strict ext4 xfs": "kept", "btrfs posix": "broken(torn)"}),
				say("Almost nowhere. Either the log is not there yet, and nothing has happened. Or it is, whole, and all of it will happen. But read the failure: it takes a program that was killed, and a power cut after that."),
			}},
			{"Recovery, too, reads the page cache", []piece{
				say("The program was killed right after it had renamed its log. The restarted one finds the log, and it is in the page cache only: its name was never synced. Recovery begins to change the balances, the power fails, and the log is gone."),
				ask("What must recovery do first?"),
				code("redo"),
				crash(logged, map[string]string{"kill strict ext4 xfs btrfs posix": "kept"}),
				say("Make durable what it is about to rely on. Recovery itself was crashed here at each of its calls: doing again what was done is harmless."),
			}},
			{"A transaction", []piece{
				say("There is a shorter way: let one atomic step change everything. A rename is such a step, if all of it is in one file. Databases do just this, with more than two balances."),
				code("transferInOneFile", "replace"),
				ask("Is it sound, without any recovery?"),
				crash(payingInOneFile(), map[string]string{"kill strict ext4 xfs btrfs posix": "kept"}),
			}},
		},
		Remember: []string{
			"A sync makes durable. It never makes two changes atomic.",
			"A write-ahead log is written and synced before the first change, and removed after the last one is synced.",
			"Recovery must bear being interrupted, and run again.",
		},
		Try: []string{"crashsim run 'seed-write-ahead*'", "crashsim run 'wal-*'"},
	}
}

func modelsLesson() Lesson {
	file, renamed := creating("file-synced", createSynced, "/note", "hello"), saving("by-rename", saveByRename)
	return Lesson{
		Name: "ext4-posix", Title: "What ext4 promises, and POSIX does not",
		About: "why a program that never failed on one file system fails on another",
		scenes: []scene{
			{"The same call", []piece{
				say("The program creates a file, syncs it, and says that it is done."),
				code("createSynced"),
				ask("Which disks are possible after the sync, on ext4 and by the standard?"),
				now(file, faultfs.OpFsync, "ext4"),
				now(file, faultfs.OpFsync, "posix"),
				say("On ext4 an fsync commits the journal, and the name of a new file is in it. It is a property of that file system. The standard says nothing of names."),
			}},
			{"The same program", []piece{
				ask("Does the program keep its promise?"),
				crash(file, map[string]string{"strict": "kept", "ext4": "kept", "posix": "broken(lost)"}),
				say("A test on the developer's machine would never have shown it."),
			}},
			{"Not everything is better on ext4", []piece{
				say("ext4 does more for one common pattern: a file that replaces another by a rename is never empty and never short, even if nobody synced it. Many people believe that it is therefore whole. It was never short in thousands of crash images, and in some it was full of NULs at its full size."),
				code("saveByRename"),
				ask("Under the promises of ext4, is the new file whole?"),
				crash(renamed, map[string]string{"strict": "kept", "ext4": "broken(torn)", "posix": "broken(torn)"}),
			}},
		},
		Remember: []string{
			"\"It works here\" is a statement about one file system, with its mount options and its version.",
			"Program for posix, and test under the file systems you support.",
		},
		Try: []string{"crashsim models", "crashsim run rename-without-fsync --model ext4 --model posix"},
	}
}

func tornLesson() Lesson {
	over, anew := booking("overwrite", overwrite), booking("replace", replaceBook)
	return Lesson{
		Name: "torn-writes", Title: "Torn writes",
		About: "one write is not one step for the disk",
		scenes: []scene{
			{"Two pages, one call", []piece{
				say("A book of two pages, both full of \"o\". The program writes both anew, full of \"N\", with a single call."),
				code("overwrite"),
				ask(whatCanBeLost),
				now(over, faultfs.OpWrite, "posix"),
				say("No program ever sees such a book. The disk does: each page is written on its own."),
			}},
			{"Smaller than a page", []piece{
				say("A page is more than many disks promise to write at once. Let the unit be 1024 bytes."),
				ask("How many disks are possible, with this unit?"),
				now(over, faultfs.OpWrite, "posix,unit=1024"),
			}},
			{"Which sync helps?", []piece{
				crash(over, map[string]string{"kill": "kept", "posix": "broken(torn)"}),
				ask("The sync stands behind the write. Would one more help, anywhere?"),
				fixed(over, "posix", -1),
				say("None. During the write there is a moment at which the old book is gone and the new one not yet there. The change that is needed is another order: never destroy the old before the new one is safe."),
				code("replaceBook"),
				crash(anew, map[string]string{"kill strict ext4 xfs btrfs posix": "kept"}),
			}},
		},
		Remember: []string{
			"A write may be torn at every unit that the disk writes at once.",
			"Overwriting in place needs a copy somewhere else: a new file, or a log. A checksum only tells that it went wrong.",
		},
		Try: []string{"crashsim run 'overwrite-*'", "crashsim run 'double-meta-page*'"},
	}
}

func failedSyncLesson() Lesson {
	twice := failing(telling(saving("trying-twice", saveTryingTwice)), "/conf.tmp")
	keeping := failing(telling(saving("or-keep-old", saveOrKeepOld)), "/conf.tmp")
	return Lesson{
		Name: "failed-fsync", Title: "An fsync that fails",
		About: "why a second fsync that succeeds proves nothing",
		scenes: []scene{
			{"Try again?", []piece{
				say("A disk has a bad moment: the first fsync returns EIO. The program tries once more. The second one returns nil, so the file is safe, and is renamed."),
				code("syncAgain", "saveTryingTwice"),
				ask("Is it safe?"),
				crash(twice, map[string]string{"kill": "kept", "ext4 xfs btrfs posix": "broken(torn)"}),
				say("The kernel could not write the page. It says so, once, and marks the page clean: there is nothing to write any more. The second fsync has nothing to do, and does it without an error.",
					"PostgreSQL lived with this for twenty years."),
			}},
			{"Believe the first error", []piece{
				say("The way out is to give up this file. What it holds is unknown, and no call will tell. Remove it, keep the old one, and say so."),
				code("saveOrKeepOld"),
				ask("The save has failed. Is everything that was promised still there?"),
				crash(keeping, map[string]string{"kill strict ext4 xfs btrfs posix": "kept"}),
			}},
		},
		Remember: []string{
			"An error of fsync is told once. After it, the data is gone, whatever later calls return.",
			"Write the data anew, to another file, or keep the old one.",
		},
		Try: []string{"crashsim run retry-fsync retry-fsync-fixed", "crashsim run rename-after-failed-sync"},
	}
}

func killLesson() Lesson {
	renamed := saving("by-rename", saveByRename)
	return Lesson{
		Name: "kill-9", Title: "Why kill -9 proves nothing",
		About: "what dies with a process, and what dies with the power",
		scenes: []scene{
			{"The test that everybody writes", []piece{
				say("Start the program, kill -9 it at a random moment, look at the files, repeat. After ten thousand rounds nothing is wrong."),
				code("saveByRename"),
				ask("How many disks can a kill leave, at the end of it? How many a power cut?"),
				now(renamed, atEnd, "kill"),
				now(renamed, atEnd, "posix"),
				say("The page cache belongs to the kernel, not to the process. When the process dies, the cache stays, and everything that was written is there."),
			}},
			{"What the test can show", []piece{
				ask("Which of these would the test find?"),
				crash(renamed, map[string]string{"kill": "kept", "posix": "broken(torn)"}),
				crash(paying("two-files", transfer), map[string]string{"kill": "broken(torn)"}),
				say("Not the first: every sync could be taken out of the program, and the test would still pass. The second: there the order of the calls is wrong in itself. It shows that kind and no other."),
			}},
		},
		Remember: []string{
			"kill -9 loses nothing that was written. It tests the order of the calls, never the syncs.",
			"For the rest, cut the power, or let a machine work out what that would leave.",
		},
		Try: []string{"crashsim run --model kill", "crashsim run rename-without-fsync --model kill --model posix"},
	}
}
