// Package pagecache has the rules of the page cache on which a live file system and
// the model of its disk must agree. faultfs applies them to what a program sees, in
// inject.go, and persist to what a crash leaves, in lowerlost.go: a test of persist
// runs random programs whose syncs fail, and compares the two.
package pagecache

// PageSize is the size of a page in bytes. What a program writes makes whole pages
// dirty, and a sync that fails loses whole pages.
const PageSize = 4096

// SizeAfterLoss returns the size of a file whose lost pages are taken back to what
// the disk holds: it falls back before the lost pages at the end of the file, and
// not below the size that the last sync wrote. Lost pages elsewhere leave the size
// alone. isLost says of a page, by its number, whether it was lost.
func SizeAfterLoss(size, synced int64, isLost func(page int64) bool) int64 {
	for size > synced && isLost((size-1)/PageSize) {
		size = max((size-1)/PageSize*PageSize, synced)
	}
	return size
}
