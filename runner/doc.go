// Package runner crashes a program everywhere and judges what is left.
//
// A Scenario is a program with its promise: what stands on the disk before, a
// workload, the recovery that the program does when it starts again, and an
// oracle that judges what recovery left. Run records the workload once, works
// out under each model what power loss can leave at every point, and runs the
// checker, which is recovery and then the oracle, on all of it. Check does the
// same from a test.
//
// # Words
//
// The checker runs on an undetermined disk (package persist): its reads are the
// decisions. One run of it stands for every cut that would have shown it the
// same; such a set of cuts is a cube. What is left of a crash point's cuts falls
// into disjoint parts, each judged in the same way until none is left: then the
// verdict is exhaustive. Runs are shared between crash points by a decision
// tree: a node is what is read next, an edge the value seen, a leaf the
// judgement. Parts are taken by losses, fewest first: a loss is an effect that
// the running program saw and the disk lacks. So the first failure of a kind is
// a smallest one, and where a budget ends the search, "all cases with at most k
// losses" is exact.
//
// A verdict is Kept, when every case was judged and none is wrong; Broken, when
// a case is wrong; otherwise Unknown, which never counts as a pass. A failure is
// a case that is wrong, with its story in one line; it is stored as a text file
// that replays alone. Of each cause it is a smallest one: fewest losses, then the earliest
// crash point, then losses of the earliest effects. Its pair is what is to
// blame (package blame): an effect that was lost though another one was kept. Two cases
// have one cause where the sync that is missing between the two halves of a pair, at
// these lines of the program, rules both out; where the check begins what it says with a
// word and a colon, as in "DUR: key 7 is gone", the word is the cause. Cases for which a
// kill is enough have a cause of their own, and hide none that takes a power cut.
//
// # Besides the power cut
//
// Power fails again while the program recovers: each recovery that changed the
// disk is a life of its own, crashed at each of its ops, up to Options.Depth
// crashes deep; lives that read the same share one decision tree. The program is
// killed after each op, recovers on the page cache, works on (Scenario.WorkOn),
// and only then loses power; so it is after a sync that lost data. A call fails by a fault, those of the scenario or
// in a sweep each that fits, alone: an op that returned an error may have
// happened or not, and what was acknowledged holds. Durable data rots
// (Scenario.Damage): a format that can tell must say so, and never give a wrong
// answer. All of it is one verdict, and counted by Coverage.
//
// Mutate turns the question round, and scores the test: it leaves each sync out,
// turns each rename into a copy, and sees whether the oracle notices.
//
// # Before a verdict is believed
//
// The workload is run twice, and refused if it does not do the same. The oracle
// must accept the disk on which nothing is lost and the disk before the first
// op, and reject an empty disk once something was promised. Each failure is
// judged a second time. A checker that panics, ends its goroutine or takes
// longer than the timeout fails the case at hand, with its stack.
//
// # Cost
//
// Each job is walked down the tree once, and a part begins where its parent made the
// choice that it does not. Checks run ahead of their turn where workers are idle; what
// was not needed is not counted, so the number of workers changes no byte of a report.
//
//	program                                            cases            runs    total / checker
//	log of n synced records, read whole                4n + 1           4n      1.1 for 1,000
//	n files, each replaced soundly, judged together    5n + 1           2n      1.2 for 1,000
//	one unsynced record of n pages under a checksum    2^(n+2)          2^(n+2) 1 s for n = 12
//	log of n unsynced records, read whole              about 10 n^2     6 n^2
//	n renames, the directory synced after each         2n + 2           3
//	n synced records, killed, recovered, worked on     12n + 1          11n     n = 1,000: the claim is bounded after 10 s
//
// Promises that oracle.All holds together are judged apart where no recovery comes before them
// and, at some crash point, they read many parts of the disk that are not decided, but
// seldom the same: n new files without a sync have 2^n cases together, and 2n apart.
//
// What was measured when the search was made anew, on two cores, most of it while others used them:
//
//	seen                                                  before                            after
//	one put of 20 kB under a checksum                     224 runs                          63 runs, 6 ms
//	one put of 40 kB                                      12,288 runs, 571 MB               2,047 runs, 0.5 s
//	one put of 60 kB                                      2.3 GB, no end after 100 s        6 s of a budget of 10 s, all families
//	12 and 100 unsynced files, each promised by itself    4,096 runs, and no end            24 and 200 runs, 11 and 150 ms, exhaustive
//	checks of 50 ms, 8 workers against one                1.4 times as fast                 6.9 times as fast
//
// The benchmarks WholeSearches and SlowChecks measure these rows. Of a record of n
// pages under a checksum, 2^n mixtures stay: a checker that reads all of it may tell any two of
// them apart, and nothing but running it tells what it makes of one. Families carry the rest.
//
// What a budget cuts off is judged in families of cases, in all passes: each write torn in
// one place, as a prefix, as a suffix or with one hole; each file whole or untouched; each
// op as a whole or not at all; and cuts drawn at random. Coverage.Claim says which of
// these were judged completely. The power cut, crashes in recovery, kills, faults
// and damage share the budget, so that a claim holds for all of them. The benchmarks
// SyncedLog, ManyFiles and SlowChecks measure these numbers.
//
// # Limits
//
// Where a budget ended the search and cuts were drawn at random, or Options.First ended
// it, a failure need not be a smallest one. Of each kind, up to four causes are told, twelve
// in all, each with how many cases have it; a note says where there are more. Where no line
// of the source is known, two calls of one kind with the same paths are taken for one.
//
// A checker must depend on nothing but its disk and the marks. One that reads
// in an order of its own making, as goroutines do, is noticed, and its runs are shared by
// what they read, in whatever order; one that changes its verdict by itself is
// reported as flaky, with what it said both times, where a failure shows it, or
// two runs that read the same. A panic on a goroutine that the checker started
// itself ends the process, as Go has it. A checker that hangs goes on running
// in the background.
//
// A run meets one fault or one damage, not several; the two are not combined.
// After damage recovery is not crashed again, and after a fault the program is
// killed only where a sync lost data. Of the ops that one line of the
// program makes, a sweep lets the first 64 fail; of a sector, 16 bits are
// flipped, one of every byte in a sweep, and 8 others take its place. Only data of
// files rots, not names and sizes. The calls of recovery do not fail.
package runner
