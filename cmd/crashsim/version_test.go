package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionSaysWhatTheBuildKnows(t *testing.T) {
	end := ", go1.99, " + runtime.GOOS + "/" + runtime.GOARCH + "\n"
	info := &debug.BuildInfo{GoVersion: "go1.99"}
	require.Equal(t, "crashsim (devel)"+end, versionText(info))
	info.Main.Version = "v1.2.3"
	info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}}
	require.Equal(t, "crashsim v1.2.3, commit 0123456789ab"+end, versionText(info))
	info.Settings = append(info.Settings, debug.BuildSetting{Key: "vcs.modified", Value: "true"})
	require.Equal(t, "crashsim v1.2.3, commit 0123456789ab with changes"+end, versionText(info))
}
