package crashsim_test

import (
	"go/ast"
	"go/build"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A process that serves a mount must never ask that mount for anything: see the
// documentation of package mount. These tests read the code of the packages that run
// in such a process. Whatever a package of the system does there must be known not
// to take a path, or stand in a home of which it is known why its path leads to no
// mount of this process.

// serving are the packages.
var serving = []string{
	"faultfs/mount", "faultfs/internal/callsite", "faultfs/internal/mapped", "faultfs/internal/pagecache", "faultfs/internal/seccomp",
	"faultfs/internal/thread", "runner/process",
}

// watched are packages by which a file can be reached, and what of them takes no path.
// Types and errors are of no interest, and neither is what is all upper case: in
// these packages, such names are constants.
var watched = map[string][]string{
	"os": {
		"Args", "DevNull", "Environ", "ErrClosed", "ErrDeadlineExceeded", "ErrNotExist", "Exit", "File", "Getegid", "Getenv", "Geteuid", "Getpid", "ModeDir", "NewFile", "NewSyscallError",
		"PathError", "Pipe", "Root", "SameFile", "Signal", "Stderr", "Stdin", "Stdout", "TempDir",
	},
	"os/exec":       {"Cmd", "ErrDot", "ExitError"},
	"path/filepath": {"Base", "Clean", "Dir", "IsAbs", "IsLocal", "Join", "Rel", "ToSlash"},
	"syscall": {
		"Close", "CloseOnExec", "Errno", "Flock", "ForkLock", "Kill", "SetNonblock", "Signal", "Socketpair", "Stat_t", "SysProcAttr", "WaitStatus",
	},
	"golang.org/x/sys/unix": {
		"Cachestat", "CachestatRange", "Cachestat_t", "Close", "CmsgSpace", "Errno", "Fadvise", "FcntlInt", "FsconfigCreate", "FsconfigSetString", "Fsmount", "Fsopen",
		"Getegid", "Geteuid", "Getgid", "Getpid", "Gettid", "Getuid", "Iovec", "MemfdCreate", "Mkdev", "OpenHow", "ParseSocketControlMessage", "ParseUnixRights", "PathMax", "PidfdOpen",
		"PidfdSendSignal", "Pipe2", "Poll", "PollFd", "Prctl", "Pread", "ProcessVMReadv", "Read", "Recvmsg", "RemoteIovec", "Sendmsg", "Setns", "Socketpair", "SockFilter", "SockFprog", "Statfs_t",
		"Statx_t", "Tgkill", "UnixRights", "Unshare",
	},
	"debug/elf":              {"File", "NewFile", "ProgHeader", "ST_BIND", "ST_TYPE", "Symbol"},
	"github.com/creack/pty":  {},
	"github.com/spf13/afero": {"Fs", "ReadFile", "Walk"}, // on disks in memory
}

// unwatched are packages by which no file can be reached by its path.
var unwatched = []string{
	"bufio", "bytes", "cmp", "context", "crypto/rand", "crypto/sha256", "debug/dwarf", "encoding/binary", "errors", "fmt", "hash", "io", "io/fs", "log", "maps",
	"os/signal", "path", "regexp", "runtime", "runtime/debug", "slices", "sort", "strconv", "strings", "sync", "sync/atomic", "testing", "time", "unsafe",
	"github.com/hanwen/go-fuse/v2/fuse",
}

// homes are the functions that take a path to a file, and why none of them leads to
// a mount of this process.
var homes = []struct {
	why string
	in  map[string][]string // by package and function: what it calls
}{
	{"it is a file of /proc, /dev or /sys", map[string][]string{
		"faultfs/mount.openList":               {"unix.Open"},
		"faultfs/mount.Abandoned":              {"os.ReadFile"},
		"faultfs/mount.begin":                  {"os.Open", "os.Readlink"},
		"runner/process.guardWorkspace":        {"os.Open"},
		"runner/process.workspace":             {"os.Readlink"},
		"faultfs/mount.thisProcess":            {"os.Readlink"},
		"faultfs/mount.stateOf":                {"os.ReadFile"},
		"faultfs/mount.mappedPart":             {"os.ReadFile"},
		"faultfs/mount.wakeThreads":            {"os.ReadDir"},
		"faultfs/internal/callsite.CallOf":     {"os.ReadFile"},
		"faultfs/internal/callsite.openThread": {"unix.Open", "unix.Openat"},
		"faultfs/internal/callsite.processOf":  {"unix.Openat"},
		"faultfs/internal/callsite.nameOf":     {"unix.Openat"},
		"faultfs/internal/callsite.readSpace":  {"os.ReadFile", "os.Readlink"},
		"runner/process.processes":             {"os.Open", "os.ReadFile"},
		"runner/process.directory":             {"os.ReadFile"},
		"runner/process.hasOthers":             {"os.ReadFile"},
		"runner/process.hasLivingChildren":     {"os.ReadFile"},
		"runner/process.findShortages":         {"os.ReadFile"},
		"runner/process.better":                {"os.Stat"},
		"runner/process.counter":               {"os.Open"},
		"runner/process.trySpace":              {"os.Readlink", "os.Stat"},
		"runner/process.mountNumber":           {"os.ReadFile"},
		"runner/process.newForker":             {"pty.Open"},
		"faultfs/internal/callsite.openDebug":  {"elf.Open"}, // of /usr/lib/debug
	}},
	{"the kernel answers without asking the file system", map[string][]string{
		"faultfs/mount.descriptor":         {"unix.Statx"}, // AT_STATX_DONT_SYNC
		"faultfs/internal/callsite.runs":   {"unix.Statx"}, // the same
		"faultfs/mount.detach":             {"syscall.Unmount"},
		"faultfs/mount.RemoveBelow":        {"syscall.Unmount"},
		"faultfs/mount.detachAll":          {"syscall.Unmount"},
		"faultfs/mount.end":                {"syscall.Unmount"},
		"faultfs/mount.Unbind":             {"unix.Unmount"},
		"faultfs/mount.NewView":            {"unix.Mount"},   // of the root, which only changes who is told of mounts
		"faultfs/internal/seccomp.install": {"unix.Syscall"}, // of a number, seccomp
		"faultfs/internal/seccomp.ioctl":   {"unix.Syscall"}, // of a descriptor
	}},
	{"it is the way to where a mount is to be made, and stops where one of crashsim is", map[string][]string{
		"faultfs/mount.serve":       {"filepath.Abs"}, // which asks for the working directory: nothing changes it to a mount
		"faultfs/mount.resolve":     {"os.Readlink"},
		"faultfs/mount.attach":      {"syscall.Open", "syscall.Mount"},
		"faultfs/mount.mountAt":     {"unix.Mount"},
		"faultfs/mount.makePoint":   {"filepath.EvalSymlinks", "os.MkdirAll"},
		"faultfs/mount.existing":    {"os.Lstat", "os.Stat"},
		"faultfs/mount.overlay":     {"os.Open", "unix.Chroot", "unix.Fchdir", "unix.MoveMount"},
		"faultfs/mount.inMemory":    {"unix.Fchown"},
		"faultfs/mount.show":        {"unix.Mkdirat", "unix.Mknodat", "unix.MoveMount", "unix.OpenTree", "unix.Readlinkat", "unix.Symlinkat"},
		"runner/process.usualPoint": {"os.ReadDir"},
		"runner/process.newWindows": {"filepath.EvalSymlinks"},
		"runner/process.here":       {"os.Getwd"},
	}},
	{"it is a file of a program that stands on another device, which load has seen", map[string][]string{
		"faultfs/internal/callsite.openObject": {"os.Open"},
	}},
	{"another process does it, which serves nothing", map[string][]string{
		"faultfs/internal/mapped.run":     {"unix.Open"},
		"faultfs/internal/mapped.open":    {"unix.Openat"},
		"faultfs/internal/mapped.changed": {"unix.Statx"},
		"runner/process.child":            {"os.ReadFile"},
		"runner/process.appendLine":       {"os.OpenFile"},
	}},
	{"it is a directory for temporary files or a place in it, above all mounts", map[string][]string{
		"runner/process.tempRoot":           {"filepath.Abs", "filepath.EvalSymlinks", "os.Lstat"},
		"runner/process.makeTempDir":        {"os.Mkdir", "os.Remove"},
		"runner/process.fill":               {"os.Open", "os.WriteFile"}, // the null device, the marker
		"runner/process.lockTempDir":        {"os.Lstat", "syscall.Open"},
		"runner/process.removeLeftTempDirs": {"os.ReadDir"},
		"runner/process.removeLeftTempDir":  {"os.Lstat"},
		"runner/process.proved":             {"os.Lstat", "os.ReadFile"},
		"faultfs/mount.RemoveBelow":         {"filepath.EvalSymlinks"}, // of the directory that the place is in
		"runner/process.namedPipe":          {"os.OpenFile", "os.Remove", "syscall.Mkfifo"},
		"runner/process.run":                {"os.Remove"}, // of a pipe
	}},
	{"it is a directory beside the mounts, in which a disk is copied or a mount will stand", map[string][]string{
		"runner/process.directory":   {"os.Mkdir"},
		"runner/process.copyOut":     {"os.Mkdir", "os.OpenRoot"},
		"runner/process.materialise": {"os.WriteFile"},
		"runner/process.makeSpecial": {"unix.Mknodat"},
		"runner/process.sqlite":      {"os.MkdirTemp"},
		"runner/process.checkSpace":  {"unix.Statfs"},
	}},
	{"the mount that stood there was ended before, and what is mounted is not entered", map[string][]string{
		"runner/process.removeTree":     {"os.Remove"},
		"runner/process.removeInside":   {"unix.Open"},
		"runner/process.openBelow":      {"unix.Openat", "unix.Openat2"},
		"runner/process.openSearchable": {"unix.Fchmodat"},
		"runner/process.entry":          {"unix.Unlinkat"},
		"runner/process.directory ":     {"unix.Renameat", "unix.Unlinkat"},
	}},
	{"nothing is mounted by this process yet, or any more", map[string][]string{
		"runner/process.input":     {"os.Open"},
		"runner/process.WriteDisk": {"os.Lstat"},
	}},
	{"it is a program, found and started outside of all mounts, in the working directory of this process or in /", map[string][]string{
		"runner/process.absolute":       {"exec.LookPath", "filepath.Abs"},
		"runner/process.sqlite":         {"exec.LookPath"},
		"runner/process.childArgs":      {"os.Executable"},
		"runner/process.forkable":       {"exec.Command"},
		"runner/process.newForker":      {"exec.Command"},
		"runner/process.process":        {"exec.CommandContext"},
		"runner/process.findShortages":  {"os.ReadFile"},
		"runner/process.better":         {"os.Stat"},
		"runner/process.counter":        {"os.Open"},
		"runner/process.trySpace":       {"exec.Command"},
		"runner/process.startGuardian":  {"exec.Command"},
		"faultfs/internal/mapped.Start": {"exec.Command"},
	}},
}

// pathCalls are the uses of watched packages in the serving packages that may take a
// path, by package and function, with where they are.
func pathCalls(t *testing.T) map[string]map[string]string {
	t.Helper()
	linux := build.Default
	linux.GOOS, linux.GOARCH = "linux", "amd64"
	found := map[string]map[string]string{}
	for _, s := range sources(t) {
		matches, err := linux.MatchFile(filepath.Dir(s.name), filepath.Base(s.name))
		require.NoError(t, err)
		if !slices.Contains(serving, s.dir) || s.test || !matches {
			continue
		}
		names := importsOf(t, s)
		for _, decl := range s.file.Decls {
			in := s.dir + "."
			if f, ok := decl.(*ast.FuncDecl); ok {
				in += f.Name.Name
			}
			inspectUses(decl, names, func(use string, at token.Pos) {
				if found[in] == nil {
					found[in] = map[string]string{}
				}
				found[in][use] = s.fset.Position(at).String()
			})
			requireStartsOutside(t, s, decl)
		}
	}
	return found
}

// importsOf returns the watched packages that a file imports, by the names that they
// have there. A package of which nothing is known fails the test.
func importsOf(t *testing.T, s source) map[string]string {
	names := map[string]string{}
	for _, spec := range s.file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		if strings.HasPrefix(imported, module+"/") || slices.Contains(unwatched, imported) {
			continue
		}
		require.Contains(t, watched, imported, "%s imports a package of which serving_test.go does not say whether files can be reached by it", s.name)
		require.True(t, spec.Name == nil || spec.Name.Name != ".", "%s imports %s without its name", s.name, imported)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
	}
	return names
}

// inspectUses calls found for each use of a watched package that may take a path.
func inspectUses(decl ast.Decl, names map[string]string, found func(use string, at token.Pos)) {
	ast.Inspect(decl, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := selector.X.(*ast.Ident)
		if !ok || id.Obj != nil { // it is a variable
			return true
		}
		pkg, known := names[id.Name]
		name := selector.Sel.Name
		if known && !slices.Contains(watched[pkg], name) && strings.ToUpper(name) != name {
			found(path.Base(pkg)+"."+name, n.Pos())
		}
		return true
	})
}

// requireStartsOutside requires that no program is told by this process to start in
// a directory, but for the root.
func requireStartsOutside(t *testing.T, s source, decl ast.Decl) {
	ast.Inspect(decl, func(n ast.Node) bool {
		assign, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, left := range assign.Lhs {
			field, ok := left.(*ast.SelectorExpr)
			if !ok || field.Sel.Name != "Dir" {
				continue
			}
			to, ok := assign.Rhs[i].(*ast.BasicLit)
			require.True(t, ok && to.Value == `"/"`, "%s: a program is started in a directory: let a shell change to it", s.fset.Position(n.Pos()))
		}
		return true
	})
}

// Each call that takes a path has a home of which it is known why no mount of this
// process is asked, and each home has its calls.
func TestAServingProcessTakesNoPathOfItsOwnMount(t *testing.T) {
	allowed := map[string]bool{}
	for _, h := range homes {
		for in, uses := range h.in {
			for _, use := range uses {
				allowed[strings.TrimSpace(in)+" calls "+use] = true
			}
		}
	}
	found := pathCalls(t)
	require.NotEmpty(t, found)
	var unknown []string
	for _, in := range slices.Sorted(maps.Keys(found)) {
		for use, at := range found[in] {
			call := in + " calls " + use
			if !allowed[call] {
				unknown = append(unknown, at+": "+call)
			}
			delete(allowed, call)
		}
	}
	require.Empty(t, unknown, "do their paths lead to a mount of this process? If they cannot, let serving_test.go say why")
	require.Empty(t, allowed, "homes in serving_test.go that nothing needs")
}

// The test above sees what it is to see.
func TestAPathInAServingProcessIsSeen(t *testing.T) {
	decl := &ast.FuncDecl{Name: ast.NewIdent("f"), Type: &ast.FuncType{}, Body: &ast.BlockStmt{List: []ast.Stmt{
		&ast.ExprStmt{X: &ast.CallExpr{Fun: &ast.SelectorExpr{X: ast.NewIdent("os"), Sel: ast.NewIdent("Stat")}}},
		&ast.ExprStmt{X: &ast.CallExpr{Fun: &ast.SelectorExpr{X: ast.NewIdent("os"), Sel: ast.NewIdent("Getpid")}}},
		&ast.ExprStmt{X: &ast.SelectorExpr{X: ast.NewIdent("u"), Sel: ast.NewIdent("O_RDONLY")}},
		&ast.ExprStmt{X: &ast.SelectorExpr{X: ast.NewIdent("u"), Sel: ast.NewIdent("Open")}}, // a function that is passed on
	}}}
	var seen []string
	inspectUses(decl, map[string]string{"os": "os", "u": "golang.org/x/sys/unix"}, func(use string, _ token.Pos) { seen = append(seen, use) })
	require.Equal(t, []string{"os.Stat", "unix.Open"}, seen)
}
