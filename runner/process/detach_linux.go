package process

import "syscall"

// detach takes a mount away whose server is gone.
func detach(dir string) { _ = syscall.Unmount(dir, syscall.MNT_FORCE|syscall.MNT_DETACH) }
