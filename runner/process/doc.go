// Package process crashes programs that know nothing of this project: they run
// as processes on a mounted file system (package mount), and so does the check
// that judges what a crash has left.
//
// # Words
//
// A program is recorded once: what it does to the files below the directory of
// the mount becomes a trace. What it prints on its standard output becomes
// marks, a line each, in order with its ops: that is the moment at which the
// world was told. It may also write lines to the file that $CRASHSIM_MARK names.
//
// A check is a command that looks at a disk and exits with status zero if the
// promise of the program was kept. It is the program's own recovery, and then
// some test of it. It runs on the undetermined disk, so that what it reads
// decides what was lost, and one process stands for all cuts that would have
// shown it the same; or, materialised, on a copy of each case in a directory.
// Both give the same verdicts, but of a check that counts links.
//
// A window is where programs see one disk after another: a directory, which has the same
// absolute path for the setup, the program, the recovery and all checks, though several
// run at once. Each has a mount namespace for that. A program may keep absolute paths
// in its files. The path is that of an empty directory, such as /mnt, or what At says.
//
// # Environment
//
// Programs and checks run in the directory that $CRASHSIM_DIR names. A check
// finds the marks made before the crash in the file that $CRASHSIM_MARKS names, a
// line each. If what it prints begins with the name of a kind of violation and a
// colon, as "lost: no balance", the failure is of that kind; otherwise it is
// refused.
//
// A check that the shell runs is forked from a shell that stands by, since to
// start a program takes several times as long. It has a process group, an output
// and the variables of its own, and no terminal; it says and exits as it would in
// a new shell, but that one which a signal ends has the exit status that a shell
// gives it, 128 and the number of the signal. A command that asks for the number
// of a process, or has an alias, has a new shell for each run.
//
// # Limits
//
// It works where package mount does. Where the system allows no mount namespaces, each
// disk has a path of its own, and a note of the trace says so. A program must come to an end, or be ended
// by its timeout; what it leaves running is killed after a second, that of a
// check when the check exits. That is so of daemons too where PID namespaces can be
// made: the command crashsim has one to itself (see AloneWith), and elsewhere each
// check has one. There, the number of a process is not its number in /proc. Where
// they cannot be made, what has left the process group of a check, as with setsid,
// goes on to run until this process ends.
//
// However this process ends, what it has started ends with it, and its mounts and
// directories are removed: by a process that watches over it, or, if that was killed
// too, by the next run of this user with the same TMPDIR. A check must depend on
// nothing but its disk and the marks. A file of an undetermined disk has one link,
// however many names lead to it: to count them would be to read them all.
package process
