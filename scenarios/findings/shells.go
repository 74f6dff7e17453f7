package main

const historySetup = `printf "one\ntwo\n" >h`

func shells() []finding {
	return []finding{
		{
			name: "bash, history", section: editors, debian: "bash", version: "5.2.15",
			promise: "on exit the last lines are written to $HISTFILE, and the file is truncated to $HISTFILESIZE lines, if necessary by removing the oldest entries",
			source:  "man bash, HISTORY",
			setup:   historySetup, run: `echo "echo hi" | HISTFILESIZE=2 HISTFILE=$PWD/h bash --norc -i >/dev/null 2>&1`, check: "history-held",
			verdicts: all("torn", "kept", "kill strict"),
			story: "Once the history is longer than $HISTFILESIZE (500 lines by default), each exit writes it to a new file and renames that over the old one, without a sync. " +
				"The name can persist before the data: then all of the history is NUL, though nothing more was asked for than to remove its oldest line.",
			sites: []string{"history_truncate_file"},
			lacks: "`lib/readline/histfile.c:649`, before the rename in `history_truncate_file`.",
		},
		{
			name: "zsh, history", section: editors, debian: "zsh", version: "5.9",
			promise: "HIST_SAVE_BY_COPY: when the history file is re-written, we normally write out a copy of the file named $HISTFILE.new and then rename it over the old one",
			source:  "https://zsh.sourceforge.io/Doc/Release/Options.html#History",
			setup:   historySetup, run: `echo "echo hi" | ZDOTDIR=/nonexistent HISTSIZE=9 SAVEHIST=9 HISTFILE=$PWD/h zsh -d -i >/dev/null 2>&1`, check: "history-held",
			verdicts: all("torn", "kept", "kill strict"),
			story:    "The new file is not synced before it is renamed. The name can persist before the data: then all of the history is NUL.",
			sites:    []string{"savehistfile"},
			lacks:    "`Src/hist.c:3061`, before the `fclose` that stands before the rename in `savehistfile`.",
		},
	}
}
