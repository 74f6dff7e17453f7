// Package viper crashes programs that save their configuration with
// github.com/spf13/viper, as it is released.
//
// # Vocabulary
//
// A save is a call that returned without an error, after which the program says
// "saved". The promise is what a user takes for granted: after a crash the
// configuration is one that was saved, as a whole, and at least the newest of
// which it was said; and viper can read it.
//
// # What it does not do
//
// It judges what viper asks of the file system when it saves, not how it merges
// settings or watches files. It says nothing about other formats than YAML: all
// of them are written by the same code. It is a module of its own, so that
// nobody needs viper to use crashsim; package scenarios replays the recorded
// ops instead.
package viper

import (
	"path"

	"github.com/spf13/afero"
	"github.com/spf13/viper"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

const (
	file = "/etc/app/config.yaml"
	// Viper tells the format by the last part of the name.
	temp = "/etc/app/config.tmp.yaml"
)

type setting struct {
	key   string
	value any
}

// changes are what a program sets before each save.
var changes = [][]setting{
	{{"server.port", 8080}},
	{{"server.port", 8443}, {"server.tls.cert", "/etc/app/cert.pem"}, {"server.tls.key", "/etc/app/key.pem"}},
	{{"users", []string{"ann", "bob"}}, {"log.level", "debug"}},
	{{"log.level", "info"}},
}

// saver is one way to save the configuration.
type saver func(disk afero.Fs, v *viper.Viper) error

// writeConfig saves as viper's own documentation does.
func writeConfig(_ afero.Fs, v *viper.Viper) error { return v.WriteConfig() }

// writeConfigDurably lets viper write, and sync, a file beside the real one,
// and puts it in its place.
func writeConfigDurably(disk afero.Fs, v *viper.Viper) error {
	if err := v.WriteConfigAs(temp); err != nil {
		return err
	}
	if err := disk.Rename(temp, file); err != nil {
		return err
	}
	dir, err := disk.Open(path.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close() // it was only synced
	return dir.Sync()
}

// removeTemp clears away what a save left that was cut short.
func removeTemp(disk afero.Fs) error {
	if exists, err := afero.Exists(disk, temp); err != nil || !exists {
		return err
	}
	return disk.Remove(temp)
}

// on returns a viper that reads and writes the configuration on a disk.
func on(disk afero.Fs) *viper.Viper {
	v := viper.New()
	v.SetFs(disk)
	v.SetConfigFile(file)
	return v
}

// setup is an earlier run of the program, which made the configuration.
func setup(fs *faultfs.FS) error {
	if err := fs.MkdirAll(path.Dir(file), 0o755); err != nil {
		return err
	}
	v := on(fs)
	v.Set("server.host", "localhost")
	v.Set("server.port", 80)
	return v.SafeWriteConfigAs(file)
}

// workload reads the configuration, changes it and saves it, again and again.
func workload(save saver) func(*faultfs.FS) error {
	return func(fs *faultfs.FS) error {
		v := on(fs)
		if err := v.ReadInConfig(); err != nil {
			return err
		}
		for _, settings := range changes {
			for _, s := range settings {
				v.Set(s.key, s.value)
			}
			if err := save(fs, v); err != nil {
				return err
			}
			fs.Mark("saved")
		}
		return nil
	}
}

// readable asks viper whether it can read the configuration.
func readable(disk afero.Fs) error { return on(disk).ReadInConfig() }

// versions returns what the file held before the first save and holds after
// each one.
func versions(save saver) ([]oracle.Content, error) {
	fs := faultfs.New()
	if err := setup(fs); err != nil {
		return nil, err
	}
	var contents []oracle.Content
	look := func() error {
		text, err := afero.ReadFile(fs, file)
		contents = append(contents, oracle.Data(text))
		return err
	}
	if err := look(); err != nil {
		return nil, err
	}
	err := workload(func(disk afero.Fs, v *viper.Viper) error {
		if err := save(disk, v); err != nil {
			return err
		}
		return look()
	})(fs)
	return contents, err
}

// scenario is a program that saves its configuration in the given way.
func scenario(name string, save saver) (runner.Scenario, error) {
	contents, err := versions(save)
	return runner.Scenario{
		Name: name, Setup: setup, Workload: workload(save),
		Oracle: oracle.All(
			oracle.OldOrNew{Path: file, Versions: contents, Mark: "saved"},
			oracle.Accepted(file, readable),
			oracle.NoLitter{Match: []string{temp}},
		),
	}, err
}
