package main

func edits() []finding {
	edit := func(f finding) finding {
		f.section, f.setup = editors, "yes old | head -n 1500 >f"
		return f
	}
	const nano = "https://www.nano-editor.org/dist/latest/nano.html"
	return []finding{
		edit(finding{
			name: "vim, as it comes", debian: "vim", version: "9.0.1378",
			promise: "writebackup: make a backup before overwriting a file; fsync: ensure that it is safely written",
			source:  "https://vimhelp.org/options.txt.html#'writebackup'",
			run:     `vim --clean -es -c "set backupskip=" -c "%s/old/new/" -c wq f </dev/null`, check: "text-or-backup f f~",
			verdicts: all("kept", "torn", "posix"),
			story: "The old file is renamed to be the backup, a new one is written and synced, and only then the backup is removed, so that one of the two is always whole. " +
				"Nobody syncs the directory: on a disk that promises only what POSIX does, the removal can persist and the new name not.",
			lacks: "`src/bufwrite.c:2192`: the directory is not synced after the file, and before the backup is removed.",
		}),
		edit(finding{
			name: "vim, backupcopy=yes", debian: "vim", version: "9.0.1378",
			promise: "writebackup: make a backup before overwriting a file. On some filesystems it is possible that in a crash you lose both the backup and the newly written file; then the swap file might still be there",
			source:  "https://vimhelp.org/editing.txt.html#backup-table",
			run:     `vim --clean -es -c "set backupskip= backupcopy=yes" -c "%s/old/new/" -c wq f </dev/null`, check: "text-or-backup f f~",
			verdicts: all("torn", "kept", "kill strict"),
			story: "The backup is a copy that is not synced, and then the file itself is emptied and written. A power cut can find the file empty and the backup NUL or missing; " +
				"what is left is the swap file, which this check does not look at.",
			lacks: "`src/bufwrite.c`, `buf_write`: the copy that was opened in line 1444 is not synced, nor its directory, before the file is truncated in line 1811.",
		}),
		edit(finding{
			name: "nano, as it comes", debian: "nano", version: "7.2",
			promise: "nothing: a backup is only made with --backup",
			source:  nano,
			run:     "nano-save f", check: "text-or-backup f f~",
			verdicts: all("torn"),
			story:    "The file is emptied and then written again in place. Even a kill between the two leaves it empty, and no other copy is there.",
			lacks:    "none helps: `src/files.c:1855` empties the file before anything is written. It is synced when it is written (line 1965).",
		}),
		edit(finding{
			name: "nano --backup", debian: "nano", version: "7.2",
			promise: "--backup: when saving a file, back up the previous version of it",
			source:  nano,
			run:     "nano-save -B f", check: "text-or-backup f f~",
			verdicts: all("kept", "torn", "posix"),
			story: "The backup is synced before the file itself is emptied, so that one of the two is always whole. " +
				"Nobody syncs the directory: on a disk that promises only what POSIX does, the name of a first backup can be missing.",
			lacks: "`src/files.c:1689`: the directory is not synced after the backup.",
		}),
		edit(finding{
			name: "ed", debian: "ed", version: "1.19",
			promise: "w: writes the addressed lines to a file; the previous contents of it are lost without warning",
			source:  "https://www.gnu.org/software/ed/manual/ed_manual.html#Commands",
			run:     `printf "1s/old/new/\nw\nq\n" | ed -s f`, check: "text-or-backup f",
			verdicts: all("torn"),
			story:    "The file is emptied and then written again in place. Even a kill between the two leaves it empty, and nothing is synced.",
			lacks:    "none helps: `io.c:351` empties the file before anything is written.",
		}),
	}
}
