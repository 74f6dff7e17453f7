// Package persist works out what a crash can leave on a disk.
//
// It takes the trace of a program, as package faultfs records it, and a model, as
// package model describes it. It answers with the disks that power loss may leave,
// not as a list, which would be endless, but as one undetermined disk, on which a
// thing has no value until somebody reads it. Tests of programs do not need this
// package: package runner uses it. It is public because a Result of the runner holds
// the Plan that was judged, and its failures name effects of that plan.
//
// # Words
//
// Cell, version, effect, cut, need and case are explained in package model, with
// the numbered sentences that this package follows.
//
// A Plan is a trace as a model sees it: cells, versions, needs, and the crash
// points. A Box is a set of cuts at a crash point: a lowest and a highest version
// for each cell, closed under the needs. Because needs have the form "a or later
// needs b or later", the legal cuts form a distributive lattice: a closed box is
// never empty, and a choice in it can always be completed. A Disk is an
// undetermined disk: a box that reading tightens. A loss is an effect that the
// running program saw and the disk lacks.
//
// # Limits
//
// A directory that a cut shows below itself, which a rename that leaves both names
// can lead to, is listed once on its own path and not entered. No crash state is
// drawn at random here: what can be left is worked out, and what is looked at
// first is the runner's choice.
//
// This package is public only because several packages of this module use it. It makes no
// promise of compatibility: a release may change it in any way.
package persist
