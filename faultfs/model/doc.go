// Package model says what file systems promise about the data on their disks.
//
// A program that calls write and rename without a sync does not know what a crash
// leaves of it: that depends on the file system. A model is what one kind of file
// system promises. Six models have names (Presets); Parse reads such a name with
// changes, as in "ext4,sync=none", and Default is the model of a portable program.
//
// # Words
//
// A cell is the smallest thing that persists on its own: one data unit of an
// inode, its size, its mode, or one name in one directory. Every value that a
// cell has had is a version of it; version 0 is the durable one at the start. An
// effect is a version that an op made. A cut takes one version of each cell: it is
// what the disk holds when power is lost. A need is a rule: if this version of a
// cell, or a later one, is on the disk, then that version of another cell, or a later
// one, is on the disk too. A promise is a source of needs, or of what a sync forces
// besides the file that it names; a model is a set of promises. A case is what a
// program finds after a crash: the visible tree of a cut, with the marks that were
// made before the crash.
//
// # Statement of the model
//
// Each sentence is held by the file of testdata/litmus whose name begins with its
// number.
//
// S01. One data unit of a file, its size, its mode and each of its names are
// cells: each persists on its own unless a need ties it.
//
// S02. A data unit persists as a whole: no case mixes the bytes of two of its
// versions.
//
// S03. A cut may hold any version of a cell that no sync has forced past, not
// only the oldest or the newest.
//
// S04. What the setup leaves is version 0 of every cell, and durable: no case
// has less.
//
// S05. The state that the running program saw after an op is a case under every
// model.
//
// S06. A cut is read by walking the names from the root: what persisted below a
// directory whose own name did not is not seen.
//
// S07. A unit that was never written reads as zeros, up to the size.
//
// S08. Inodes are never reused: a file made anew never shows the bytes of the
// file that had its name.
//
// S09. A case carries the marks made before the crash and no others.
//
// S10. No case holds an effect of an op that had not begun.
//
// S11. What a sync has forced when it returns is in every later case.
//
// S12. A sync forces only effects of ops that had returned before it began.
//
// S13. Effects that no need ties persist in any combination; an effect never
// persists without what it needs.
//
// S14. What a forced effect needs is forced with it.
//
// S15. A later version of a cell carries the needs of the earlier versions of
// that cell.
//
// S16. The first crash point is before the first op.
//
// S17. There is a crash point after each op, and it covers a crash inside the
// op, since nothing of the op is forced yet.
//
// S18. A write makes one version of each data unit that it overlaps, in rising
// order.
//
// S19. A write makes one version of the size for each unit in which it goes past
// the size so far, and none inside it.
//
// S20. An empty write has no effect, wherever it is.
//
// S21. A truncate that makes a file longer makes one version of the size and
// none of the data.
//
// S22. A truncate that makes a file shorter makes one version of the size and
// one, zeroed past the new end, of each data unit that changes.
//
// S23. An inode is born with the mode that created it, and chmod makes one more
// version of the mode.
//
// S24. Create, mkdir, symlink and link make one version of one name, unlink and
// rmdir one that is absent.
//
// S25. A rename makes one version of the new name and one, absent, of the old
// name.
//
// S26. Renaming a name to another name of the same inode does nothing.
//
// S27. A mark, and a sync that lost no data, has no effects: it makes no new
// content, it only rules old content out.
//
// S28. Fdatasync of a file forces its size and every data unit of it.
//
// S29. Fsync of a file forces its mode too, which fdatasync does not.
//
// S30. Fsync and fdatasync of a directory force every name in it and its mode.
//
// S31. Sync of a directory forces no data of the files in it.
//
// S32. Under sync=none a sync of a file forces no name, not even its own.
//
// S33. Under sync=name a sync forces each name that leads to the file now, and
// no other name.
//
// S34. Under sync=name the directory that holds a forced name exists, and so do
// those above it.
//
// S35. Under sync=name the directory above is forced under the name that it was
// made with, not under its name of today.
//
// S36. Under sync=own a sync forces every name of the file, and every name of
// the directories above it up to the root.
//
// S37. Under sync=inode a sync forces every namespace effect of any file up to
// the newest op that changed the file synced.
//
// S38. Under sync=inode a sync of what nothing has changed adds nothing.
//
// S39. Under sync=inode a write changes the inode only if it changes the size.
//
// S40. Under sync=inode chmod, and a link or unlink of one of its names, change
// the inode for fsync, not for fdatasync.
//
// S41. Under sync=inode a rename changes the inode that it moves and the inode
// that it replaces, again for fsync only.
//
// S42. Under sync=inode the creation of a file, a change of its size by a write
// and its truncate count for fdatasync too.
//
// S43. Under sync=inode the making or removal of a name in a directory changes
// that directory.
//
// S44. Under sync=inode a rename from one directory to another changes both.
//
// S45. Under sync=journal a sync of any file forces every namespace effect so
// far.
//
// S46. Chmod and truncate are namespace effects too, but the zeroed tail of a
// truncate and what a write did are not.
//
// S47. A sync of everything forces every effect so far.
//
// S48. The promise unit is the size of what persists as a whole: a write inside
// one unit never tears, a write across two can.
//
// S49. The promise block adds no need by itself: it says which units are the
// tail of a truncate and which are newly allocated.
//
// S50. Under append=none the size that a write gave a file needs none of the
// data of that write.
//
// S51. Under append=allocated the size needs the data of the same unit only if
// the block lies wholly at or past the old end.
//
// S52. Under append=all the size always needs the data of the same unit, and
// that of the earlier units in which the write did not grow the file.
//
// S53. Under every value of truncate the new size and the units beyond the tail
// persist together.
//
// S54. Under truncate=atomic all effects of a shrinking truncate persist
// together.
//
// S55. Under truncate=tail-ordered the size needs the zeroed tail, and the tail
// does not need the size.
//
// S56. Under truncate=tail the size and the tail of a shrinking truncate persist
// apart.
//
// S57. Under names=none namespace ops persist in any order, also in one
// directory.
//
// S58. Under names=directory a namespace op needs the previous one that touched
// the same directory.
//
// S59. A rename from one directory to another touches both.
//
// S60. Under names=journal a namespace op needs the previous one anywhere.
//
// S61. Chmod and truncate take part in names=journal, and touch no directory
// under names=directory.
//
// S62. Under rename=atomic the two names of a rename change together.
//
// S63. Under rename=link-first the absence of the old name needs the new name,
// not the other way round.
//
// S64. Under rename=split the two names of a rename persist apart.
//
// S65. Under replace=data the new name of a rename over an existing file needs
// the newest size and data of the file moved; under replace=none it needs neither.
//
// S66. The promise replace says nothing of a rename to a name that did not
// exist.
//
// S67. Under order=all each effect needs those of the step before it, of
// whatever kind they are.
//
// S68. A step is one op, except that each unit of a write is a step of its own,
// and inside a step order=all ties nothing.
//
// S69. Under cache=kept only the process dies: every case is a state that the
// running program saw; under cache=lost unforced effects may be missing.
//
// S70. The preset kill is the death of the process alone: whatever was done is
// kept, without any sync.
//
// S71. The preset strict loses the end of what was done and nothing from its
// middle.
//
// S72. The preset ext4 keeps names in order and data in none: a file that
// replaced another is never empty and never short, but can be full of NULs, even
// after a sync of the directory.
//
// S73. The preset xfs is ext4 without the order of tail and size, and without
// the promise replace: bytes that a truncate cut off can come back, and a file that
// replaced another can be empty.
//
// S74. The preset btrfs never loses a file to a rename, but can show both names,
// even after a sync of the target directory.
//
// S75. The preset posix is what is portable: a file is safe when it and each
// directory on the way to its new names have been synced, and not before.
//
// S76. A preset with overrides promises what the preset does, except for the
// keys that are named.
//
// S77. A sync that returned an error forces nothing.
//
// S78. A sync that lost data and returned no error forces all but what it lost.
//
// S79. Under failed=clean and failed=reverted no later sync forces what a sync
// lost, whatever it returns; under failed=dirty the next one does.
//
// S80. A write to a page on which a sync lost data makes the whole page dirty
// again, and the next sync forces it.
//
// S81. What needs data that a sync lost does not wait for it: size and names can
// persist although the data did not.
//
// S82. Under failed=reverted, and under failed=clean where the pages were evicted,
// lost pages hold what the last sync wrote: from then on for the running program,
// and in every later case.
//
// S83. Under failed=reverted the size falls back to the beginning of the lost
// pages at the end of the file, and not below what it was at the last sync; lost
// pages elsewhere were never written.
//
// S84. A sync loses only what is dirty and in its span: what an earlier sync
// forced stays, and the rest waits for the next sync.
//
// S85. Under failed=clean and failed=dirty the running program goes on with what
// it wrote, until the pages are evicted; under failed=reverted it reads at once
// what the last sync wrote.
//
// S86. Under report=now the sync that lost data returns the error; under
// report=next it returns none, and the next sync of the file returns it. The sync
// after that returns none.
//
// S87. A sync that finds no dirty page to lose succeeds, though the disk be
// broken: under failed=clean and failed=reverted so does the second sync, and only
// under failed=dirty it fails again.
//
// S88. Once a journal could not be written, under journal=shutdown every op fails
// with EIO, under journal=readonly all that changes or syncs fails with EROFS, and
// under journal=open the next sync tries again.
//
// S89. A sync that loses data leaves the journal in order: the file system stays
// writable, and later syncs force what they find dirty.
//
// S90. A sync that could not write the journal loses no data and forces none: what
// was dirty stays so, and the program reads it.
//
// S91. A sync that was interrupted loses nothing: the next one forces all, under
// every model.
//
// S92. An op that failed has no effects, unless it is a sync that lost data; what
// a write accepted before it failed is a write of its own.
//
// S93. An exchange makes one version of each of its two names, and each then leads
// to what the other did, a file or a directory.
//
// S94. Exchanging two names of the same inode does nothing.
//
// S95. Under rename=atomic and rename=link-first the two names of an exchange
// change together, since each is the old name of what the other leads to.
//
// S96. Under rename=split the two names of an exchange persist apart: one file can
// be under both names and the other under none.
//
// S97. An exchange from one directory to another touches both under
// names=directory, and changes both under sync=inode.
//
// S98. The promise replace says nothing of an exchange: no name of it leads to
// less than before.
//
// S99. Under sync=inode an exchange changes both inodes that it moves, for fsync
// only.
//
// S100. Under replace=size the new name of a rename over an existing file needs
// the newest size of the file moved, and none of its data.
//
// S101. An fdatasync that is limited to a part of a file (msync) forces the data units
// that lie in it as a whole, and no other data; besides, what any fdatasync forces.
//
// S102. What was stored into mapped files between two looks is one step: nobody knows
// in which order it was stored.
//
// S103. Under order=all, and under cache=kept, stores that were seen at one look
// persist together: there is no crash point between them. Otherwise each unit
// persists on its own.
//
// # Limits
//
// What a page of a mapped file held between two looks at it is not known, and is no
// version: a case that shows it is not among those of the model. Whoever judges a
// program that stores into maps must say so.
// Ownership and times are not modelled: no case shows them. A data unit persists
// as a whole, with some contents that the page cache really had: disks that tear
// a sector, and bits that rot, are not in this model. Inodes are never used twice
// within a trace. Presets contain what was measured on real file systems and are
// looser than these in places; they are to be tightened by experiment only.
//
// This package only says what is promised. Package persist works out which disks a
// model allows after a crash.
package model
