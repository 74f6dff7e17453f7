package mapped

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// A run of this program that has this name and this variable is a helper.
const (
	helperName = "crashsim: stores to mapped files"
	helperEnv  = "CRASHSIM_MAPPED"
)

func init() {
	if len(os.Args) == 2 && os.Args[0] == helperName && os.Getenv(helperEnv) != "" {
		os.Exit(run(os.Args[1]))
	}
}

// run is the helper: it answers requests until its standard input ends.
func run(folder string) int {
	if err := canAsk(); err != nil {
		_ = (&frame{errno: number(err)}).write(bufio.NewWriter(os.Stdout))
		return 1
	}
	dir, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	s := &server{dir: dir, w: bufio.NewWriter(os.Stdout)}
	if s.answer(&frame{errno: number(err)}) != nil || err != nil {
		return 1
	}
	r := bufio.NewReader(os.Stdin)
	for {
		f, err := readFrame(r)
		if err != nil {
			return 0
		}
		// A file is opened while others are read: see the documentation.
		go func() {
			var err error
			if f.kind == kindOpen {
				err = s.open(f.pages[0].File)
				f.pages = nil
			} else {
				f.pages, err = s.read(f.pages)
			}
			f.errno = number(err)
			if s.answer(f) != nil {
				os.Exit(1)
			}
		}()
	}
}

// canAsk tries cachestat on a file that is none of the file system's.
func canAsk() error {
	fd, err := unix.MemfdCreate("crashsim", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = (&file{fd: fd}).state(0, PageSize)
	return err
}

func number(err error) uint32 {
	var errno unix.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno):
		return uint32(errno)
	}
	return uint32(unix.EIO)
}

type server struct {
	dir int

	out sync.Mutex
	w   *bufio.Writer

	mu    sync.Mutex
	files []*file
}

// file is a file that is read.
type file struct {
	number uint64
	fd     int
	sent   map[int64][]byte // dirty pages, as they were returned last
}

func (s *server) answer(f *frame) error {
	s.out.Lock()
	defer s.out.Unlock()
	return f.write(s.w)
}

func (s *server) open(number uint64) error {
	fd, err := unix.Openat(s.dir, strconv.FormatUint(number, 10), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// What is not asked for is not to be read: it would be asked of the server.
	if err := unix.Fadvise(fd, 0, 0, unix.FADV_RANDOM); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, &file{number: number, fd: fd, sent: map[int64][]byte{}})
	return nil
}

// read returns what has changed.
func (s *server) read(also []Page) ([]Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed []Page
	for _, f := range s.files {
		wanted := map[int64]bool{}
		for _, p := range also {
			if p.File == f.number {
				wanted[p.Offset] = true
			}
		}
		pages, err := f.changed(wanted)
		if err != nil {
			return nil, err
		}
		changed = append(changed, pages...)
	}
	return changed, nil
}

func (f *file) changed(wanted map[int64]bool) ([]Page, error) {
	var st unix.Statx_t
	if err := unix.Statx(f.fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_SIZE, &st); err != nil {
		return nil, err
	}
	size := int64(st.Size)
	dirty, err := f.dirty(nil, 0, (size+PageSize-1)/PageSize)
	if err != nil {
		return nil, err
	}
	sent := map[int64][]byte{}
	var pages []Page
	add := func(offset int64, always bool) error {
		data, err := f.page(offset, size)
		if err != nil {
			return err
		}
		if always || !bytes.Equal(data, f.sent[offset]) {
			pages = append(pages, Page{File: f.number, Offset: offset, Data: data})
		}
		sent[offset] = data
		return nil
	}
	for _, offset := range dirty {
		if err := add(offset, wanted[offset]); err != nil {
			return nil, err
		}
		delete(wanted, offset)
	}
	f.sent = sent // of pages that are clean, nothing is remembered
	for offset := range wanted {
		cached, err := f.state(offset, PageSize)
		if err != nil {
			return nil, err
		}
		if cached.Cache > 0 && offset < size {
			if err := add(offset, true); err != nil {
				return nil, err
			}
			delete(sent, offset)
		}
	}
	slices.SortFunc(pages, func(a, b Page) int { return int(a.Offset/PageSize - b.Offset/PageSize) })
	return pages, nil
}

// dirty appends the offsets of the pages in a range, given by numbers of pages, that
// are dirty or being written back.
func (f *file) dirty(found []int64, from, to int64) ([]int64, error) {
	if from >= to {
		return found, nil
	}
	st, err := f.state(from*PageSize, (to-from)*PageSize)
	if err != nil {
		return nil, err
	}
	// A page can be both.
	if st.Dirty+st.Writeback == 0 {
		return found, nil
	}
	if to-from == 1 || int64(st.Dirty) == to-from {
		for ; from < to; from++ {
			found = append(found, from*PageSize)
		}
		return found, nil
	}
	middle := (from + to) / 2
	if found, err = f.dirty(found, from, middle); err != nil {
		return nil, err
	}
	return f.dirty(found, middle, to)
}

func (f *file) state(offset, length int64) (unix.Cachestat_t, error) {
	var st unix.Cachestat_t
	err := unix.Cachestat(uint(f.fd), &unix.CachestatRange{Off: uint64(offset), Len: uint64(length)}, &st, 0)
	return st, err
}

// page reads a page, as far as the file goes.
func (f *file) page(offset, size int64) ([]byte, error) {
	data := make([]byte, min(PageSize, size-offset))
	for done := 0; done < len(data); {
		n, err := unix.Pread(f.fd, data[done:], offset+int64(done))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 { // it was cut meanwhile
			return data[:done], nil
		}
		done += n
	}
	return data, nil
}
