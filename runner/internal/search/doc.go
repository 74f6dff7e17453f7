// Package search judges every cut of every crash point of a plan with a checker,
// or as many as a budget allows. It knows nothing of scenarios and oracles: what
// a checker makes of a disk is an outcome of any type.
//
// A job is a subset of a crash point that waits to be judged. An attempt is a job
// for which the checker runs. A run stands for every cut that would have shown it
// the same: that is a cube. What is left of the job's cuts falls into disjoint
// parts, and each of them is a job again. Jobs wait by their losses, fewest first,
// so when a budget ends the search, "all cases with at most k losses" is exact.
//
// Runs form a tree: a node is what the checker reads next, an edge the value that
// it sees, a leaf its outcome. A job whose way down the tree ends at a leaf needs
// no run. All crash points share the tree. A checker that does not read the same
// after it saw the same is noticed, and from then on each job has a run of its own.
package search
