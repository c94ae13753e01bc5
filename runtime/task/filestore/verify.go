package filestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// The format of a bbolt file, version 2: pages of one size. The first two are
// meta pages, written in turns; the newest that is whole says where the root is.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10

	pageHeader   = 16
	elementSize  = 16
	bucketHeader = 16
	bucketFlag   = 0x01
	metaSize     = 64
	noFreelist   = ^uint64(0)

	minPageSize = 1 << 10
	maxPageSize = 64 << 10
)

// meta is what a meta page says.
type meta struct {
	pageSize               int64
	root, freelist, pgid   uint64
	txid                   uint64
	magicOK, versionOK, ok bool
}

func decodeMeta(page []byte) (m meta) {
	if len(page) < pageHeader+metaSize {
		return m
	}
	b := page[pageHeader : pageHeader+metaSize]
	u32, u64 := binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	m = meta{
		pageSize: int64(u32(b[8:])), root: u64(b[16:]), freelist: u64(b[32:]), pgid: u64(b[40:]), txid: u64(b[48:]),
		magicOK: u32(b) == boltMagic, versionOK: u32(b[4:]) == boltVersion,
	}
	h := fnv.New64a()
	h.Write(b[:56])
	m.ok = m.magicOK && m.versionOK && h.Sum64() == u64(b[56:]) &&
		m.pageSize >= minPageSize && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0
	return m
}

// verify looks through a file that bbolt is about to map into memory and to
// trust: a wrong number there would make it panic, fault or run in circles. An
// empty file is a new one.
func verify(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil
	}
	m, err := newestMeta(f)
	if err != nil {
		return err
	}
	v := &verifier{file: f, size: info.Size(), meta: m}
	if m.pgid < 2 || m.pgid > uint64(info.Size()/m.pageSize) {
		return fmt.Errorf("it is cut off: %d pages of %d bytes are in use, and it has %d bytes", m.pgid, m.pageSize, info.Size())
	}
	v.seen = make([]bool, m.pgid)
	v.seen[0], v.seen[1] = true, true
	if err := v.freelist(); err != nil {
		return err
	}
	return v.tree(m.root, 0)
}

// newestMeta finds the meta page that bbolt will use. The page size is in the
// meta page itself; where the first one is torn, the second is looked for at
// every size there is, as bbolt does.
func newestMeta(f io.ReaderAt) (meta, error) {
	page := make([]byte, pageHeader+metaSize)
	read := func(at int64) meta {
		n, err := f.ReadAt(page, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return meta{}
		}
		return decodeMeta(page[:n])
	}
	first := read(0)
	if first.ok {
		if second := read(first.pageSize); second.ok && second.pageSize == first.pageSize && second.txid > first.txid {
			return second, nil
		}
		return first, nil
	}
	for size := int64(minPageSize); size <= maxPageSize; size <<= 1 {
		if second := read(size); second.ok && second.pageSize == size {
			return second, nil
		}
	}
	return meta{}, errors.New("it has no valid header")
}

// verifier walks over the pages in use.
type verifier struct {
	file io.ReaderAt
	size int64
	meta meta
	seen []bool // pages that are reached or free
}

// claim notes that a page and those that follow it are used, by one only.
func (v *verifier) claim(id, n uint64) error {
	if id < 2 || n > v.meta.pgid || id > v.meta.pgid-n {
		return fmt.Errorf("page %d is outside of the file", id)
	}
	for p := id; p < id+n; p++ {
		if v.seen[p] {
			return fmt.Errorf("page %d is used twice", p)
		}
		v.seen[p] = true
	}
	return nil
}

// page reads a page with all that follows it.
func (v *verifier) page(id uint64) ([]byte, error) {
	if id < 2 || id >= v.meta.pgid {
		return nil, fmt.Errorf("page %d is outside of the file", id)
	}
	head := make([]byte, pageHeader)
	at := int64(id) * v.meta.pageSize
	if _, err := v.file.ReadAt(head, at); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	if got := binary.LittleEndian.Uint64(head); got != id {
		return nil, fmt.Errorf("page %d says that it is page %d", id, got)
	}
	n := uint64(binary.LittleEndian.Uint32(head[12:])) + 1
	if err := v.claim(id, n); err != nil {
		return nil, err
	}
	page := make([]byte, int64(n)*v.meta.pageSize)
	if _, err := v.file.ReadAt(page, at); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return page, nil
}

// freelist checks the list of free pages.
func (v *verifier) freelist() error {
	if v.meta.freelist == noFreelist {
		return nil
	}
	page, err := v.page(v.meta.freelist)
	if err != nil {
		return err
	}
	if flags := binary.LittleEndian.Uint16(page[8:]); flags != freelistPage {
		return fmt.Errorf("page %d is no list of free pages", v.meta.freelist)
	}
	count, ids := uint64(binary.LittleEndian.Uint16(page[10:])), page[pageHeader:]
	if count == 0xFFFF {
		count, ids = binary.LittleEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return fmt.Errorf("the list of free pages has %d entries, more than fit", count)
	}
	last := uint64(0)
	for i := range count {
		id := binary.LittleEndian.Uint64(ids[8*i:])
		if id <= last {
			return errors.New("the list of free pages is out of order")
		}
		last = id
		if err := v.claim(id, 1); err != nil {
			return fmt.Errorf("free pages: %w", err)
		}
	}
	return nil
}

// maxDepth is deeper than a tree of pages or of buckets gets.
const maxDepth = 64

// tree checks a bucket's pages.
func (v *verifier) tree(root uint64, depth int) error {
	w := &walk{v: v, depth: depth}
	return w.node(root, 0)
}

// walk goes over the keys of one bucket in their order.
type walk struct {
	v     *verifier
	depth int // of buckets in buckets
	last  []byte
	any   bool
	floor []byte // no key below it may come any more
}

func (w *walk) node(id uint64, depth int) error {
	if depth > maxDepth || w.depth > maxDepth {
		return fmt.Errorf("page %d is too deep", id)
	}
	page, err := w.v.page(id)
	if err != nil {
		return err
	}
	if err := w.elements(page, depth); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// elements checks the entries of a page, or of a bucket small enough to be in
// the place of a page.
func (w *walk) elements(page []byte, depth int) error {
	flags := binary.LittleEndian.Uint16(page[8:])
	count := int(binary.LittleEndian.Uint16(page[10:]))
	if flags != branchPage && flags != leafPage {
		return fmt.Errorf("its kind is %#x", flags)
	}
	if pageHeader+count*elementSize > len(page) {
		return fmt.Errorf("it has %d entries, more than fit", count)
	}
	if flags == branchPage && count == 0 {
		return errors.New("it is a branch without entries")
	}
	for i := range count {
		at := pageHeader + i*elementSize
		element := page[at:]
		if flags == branchPage {
			if err := w.branch(element, i > 0, depth); err != nil {
				return err
			}
			continue
		}
		if err := w.leaf(element); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}

// branch goes down one entry of a branch. Its key has to lie between what came
// before and what comes below, or keys would be there and not be found; below
// the first entry bbolt does not look at it.
func (w *walk) branch(element []byte, bounded bool, depth int) error {
	key, err := slice(element, binary.LittleEndian.Uint32(element), binary.LittleEndian.Uint32(element[4:]))
	if err != nil {
		return err
	}
	if bounded {
		if w.any && string(key) <= string(w.last) {
			return errors.New("a branch is out of order")
		}
		w.floor = append(w.floor[:0], key...)
	}
	return w.node(binary.LittleEndian.Uint64(element[8:]), depth+1)
}

func (w *walk) leaf(element []byte) error {
	u32 := binary.LittleEndian.Uint32
	flags, pos, ksize, vsize := u32(element), u32(element[4:]), u32(element[8:]), u32(element[12:])
	key, err := slice(element, pos, ksize)
	if err != nil {
		return err
	}
	value, err := slice(element, pos+ksize, vsize)
	if err != nil || pos+ksize < pos {
		return errors.New("its value is outside of the page")
	}
	if w.any && string(key) <= string(w.last) {
		return errors.New("its key is out of order")
	}
	if string(key) < string(w.floor) {
		return errors.New("its key is in the wrong branch")
	}
	w.any, w.last = true, append(w.last[:0], key...)
	if flags&bucketFlag == 0 {
		return nil
	}
	if len(value) < bucketHeader {
		return errors.New("its bucket is cut off")
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		return w.v.tree(root, w.depth+1)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || binary.LittleEndian.Uint16(inline[8:]) != leafPage {
		return errors.New("its bucket is cut off")
	}
	if w.depth >= maxDepth {
		return errors.New("its bucket is too deep")
	}
	inner := &walk{v: w.v, depth: w.depth + 1}
	return inner.elements(inline, 0)
}

// slice is what an entry points to, counted from the entry.
func slice(element []byte, pos, size uint32) ([]byte, error) {
	if uint64(pos)+uint64(size) > uint64(len(element)) || pos < elementSize && size > 0 {
		return nil, errors.New("it points outside of the page")
	}
	return element[pos : pos+size], nil
}
