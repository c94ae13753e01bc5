package filestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"unsafe"
)

// What bolt writes into pages 0 and 1, one of them with each commit in turn.
// Numbers in the file have the byte order of the machine.
const (
	pageHeaderSize = 16
	metaSize       = 64 // of which the last 8 are the checksum of the others
	metaMagic      = 0xED0CDAED
	metaVersion    = 2
	noFreelist     = ^uint64(0) // the list of free pages is not in the file

	minPageSize = 4 << 10 // of the systems Go runs on
	maxPageSize = 64 << 10
)

var order = binary.NativeEndian

// meta is one of the two places that say where everything is.
type meta struct {
	pageSize uint64
	root     uint64 // page of the root bucket
	freelist uint64 // page of the list of free pages, or noFreelist
	pages    uint64 // how many pages are in use or have been
	txid     uint64
}

// What a meta page can be beside whole and torn.
var (
	errNewer = errors.New("newer")                     // a newer bolt has written it
	errRead  = errors.New("filestore: reading a file") // it cannot be read
)

// parseMeta reads a meta page from behind its header.
func parseMeta(b []byte) (meta, error) {
	intact := order.Uint64(b[56:]) == metaSum(b)
	switch version := order.Uint32(b[4:]); {
	case order.Uint32(b) != metaMagic:
		return meta{}, errors.New("it does not begin as a store does")
	case !intact:
		return meta{}, errors.New("its checksum is wrong")
	case version > metaVersion:
		return meta{}, fmt.Errorf("%w: pages of version %d, known is %d", errNewer, version, metaVersion)
	case version != metaVersion:
		return meta{}, fmt.Errorf("its version is %d", version)
	}
	return meta{
		pageSize: uint64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]),
		freelist: order.Uint64(b[32:]),
		pages:    order.Uint64(b[40:]),
		txid:     order.Uint64(b[48:]),
	}, nil
}

// metaSum returns the checksum of a meta page.
func metaSum(b []byte) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // a hash refuses nothing
	return sum.Sum64()
}

// findMeta returns the meta page that bolt will use: the newest that is whole.
// The other one may be torn by a commit that did not come to its end.
func findMeta(r io.ReaderAt, size int64) (meta, error) {
	first, firstErr := readMeta(r, size, 0)
	pageSize := int64(first.pageSize)
	second, secondErr := meta{}, errors.New("there is none")
	if firstErr == nil {
		second, secondErr = readMeta(r, size, pageSize)
	} else {
		// Bolt looks for the second one where it would be for any page size,
		// and takes the first it finds.
		for pageSize = 1 << 10; pageSize <= 16<<20; pageSize <<= 1 {
			second, secondErr = readMeta(r, size, pageSize)
			if secondErr == nil || errors.Is(secondErr, errNewer) || errors.Is(secondErr, ErrCorrupt) {
				break
			}
		}
	}
	newest := first
	for _, err := range []error{firstErr, secondErr} {
		if errors.Is(err, errRead) || errors.Is(err, ErrCorrupt) {
			return meta{}, err
		}
	}
	switch {
	case firstErr != nil && errors.Is(secondErr, errNewer):
		return meta{}, fmt.Errorf("%w: %w", ErrFormat, secondErr)
	case firstErr != nil && secondErr != nil && errors.Is(firstErr, errNewer):
		return meta{}, fmt.Errorf("%w: %w", ErrFormat, firstErr)
	case firstErr != nil && secondErr != nil:
		return meta{}, corrupt("both meta pages: %v; %v", firstErr, secondErr)
	case firstErr == nil && first.txid%2 != 0, secondErr == nil && second.txid%2 != 1:
		return meta{}, corrupt("a meta page is in the place of the other")
	case firstErr == nil && secondErr == nil && first.pageSize != second.pageSize:
		return meta{}, corrupt("the meta pages have page sizes of %d and %d", first.pageSize, second.pageSize)
	case firstErr != nil || secondErr == nil && second.txid > first.txid:
		newest = second
	}
	return newest, newest.check(uint64(pageSize), uint64(size))
}

// readMeta reads the meta page at an offset.
func readMeta(r io.ReaderAt, size, offset int64) (meta, error) {
	// Bolt wants more of the file than the meta page has.
	if offset < 0 || offset+minPageSize > size {
		return meta{}, errors.New("the file ends before it")
	}
	var b [pageHeaderSize + metaSize]byte
	if _, err := r.ReadAt(b[:], offset); err != nil {
		return meta{}, fmt.Errorf("%w: %w", errRead, err)
	}
	m, err := parseMeta(b[pageHeaderSize:])
	if err == nil && (m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0) {
		return meta{}, corrupt("a page size of %d", m.pageSize) // bolt would take it
	}
	return m, err
}

// check holds the numbers of a meta page against each other and the file.
func (m meta) check(foundWith, size uint64) error {
	const metas = 2
	switch {
	case m.pageSize != foundWith:
		return corrupt("a page size of %d, which the place of the second meta page contradicts", m.pageSize)
	case m.pages > size/m.pageSize:
		return corrupt("the file ends after %d bytes, but has %d pages of %d", size, m.pages, m.pageSize)
	case m.root < metas || m.root >= m.pages:
		return corrupt("the root is page %d of %d", m.root, m.pages)
	case m.freelist != noFreelist && (m.freelist < metas || m.freelist >= m.pages):
		return corrupt("the list of free pages is page %d of %d", m.freelist, m.pages)
	case m.txid > 1<<62:
		return corrupt("a transaction with the number %d", m.txid)
	case unsafe.Sizeof(uintptr(0)) == 4 && size > 1<<30:
		return fmt.Errorf("filestore: %d bytes are too many for a machine of 32 bits", size)
	}
	return nil
}
