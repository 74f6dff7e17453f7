// Package queue gives out the boxes of a search to processes on any number of machines.
//
// The words of this package:
//
//   - A box is a part of the cuts of a crash point. One run of the checker on it stands for
//     many of its cuts; what is left of it falls into boxes again.
//   - Who gives out is the process that was asked for a report. It makes the search,
//     and it alone: which boxes are next, what came of them, when the search ends.
//   - A worker takes a [Parcel] of boxes, runs the checker on them, stores the results, and
//     then says that the parcel is done, in this order. Who gives out is a worker, too.
//   - A [Job] is one program under one model with one check. Its key is the sum of all that
//     decides a run, so a worker with another program, check or version of crashsim
//     has another key, and takes no box.
//   - A [Queue] is where they meet. It gives out parcels, and it keeps results.
//
// Why the report is the same, whatever happens on the way: a result is a record of
// package workdir, the same that a directory keeps. It says what a run was given, what it
// read, and what came of that. The search asks what is known before it runs
// anything, and goes the same way whether a run is known or made. So:
//
//   - A box that is delivered twice gives the same record twice.
//   - A box that is lost, with its worker or its server, is one that is not known. The search
//     waits for it; once no worker on its own machine has anything to do, it makes that run
//     itself. So the queue can make a search faster, and never wrong, and never stops it.
//   - Who gives out may be killed. What was stored is known when it starts again.
//   - That nothing is missing is proved by counting, as for shards.
//
// What makes it fast: boxes that are given out stand at different nodes of the decision
// tree, and all below a node is read by nobody else. So a worker that has time goes on
// with what is left of its boxes, and what it stores there is not judged twice. A worker
// whose parcel takes long hands the rest of it back as a parcel.
//
// What comes from a queue was written by somebody else. Parcels and records are read with
// bounds, and a record that does not fit the program is not used. But a record that fits
// is believed: who may write to the queue decides the verdict, as who may write to a
// directory of results does.
//
// This package holds the contract, the text of parcels, and [Memory], a queue within one
// process. Queues over a network are packages of their own, so that a test which needs none
// does not bring them; they are known by the scheme of their address, see [Register].
package queue
