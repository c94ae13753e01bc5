package filestore

import (
	"bytes"
	"fmt"
	"io"
)

// Bolt maps its file into memory and trusts it: a page that points outside the
// file ends the process, one that points to itself never ends, others panic in
// goroutines where nobody can recover. So the whole structure is checked first,
// with plain reads; values are not read here, they have checksums of their own.
//
// The memory this takes does not depend on what the file says: one bit for each
// page, and for each level of the tree a key and a page's place.

// What bolt calls the kinds of pages.
const (
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
)

const (
	leafElementSize   = 16 // flags, position, size of key and of value
	branchElementSize = 16 // position, size of key, page
	bucketHeaderSize  = 16 // page of the root, sequence
	bucketElement     = 0x01

	maxKeySize = 32 << 10 // bolt's limit
	maxDepth   = 48       // levels of trees and buckets; a tree of a petabyte has 12
	inlineRoot = 0        // page of a bucket that lives in its element's value
)

// verify checks a file of some size from its first page to its last. What is
// wrong with it is an error that wraps [ErrCorrupt] or [ErrFormat]; others are
// those of reading.
func verify(r io.ReaderAt, size int64) error {
	m, err := findMeta(r, size)
	if err != nil {
		return err
	}
	v := &verifier{
		meta:     m,
		seen:     make([]uint64, m.pages/64+1),
		elements: window{r: r, end: int64(m.pages * m.pageSize), buf: make([]byte, 0, m.pageSize)},
		keys:     window{r: r, end: int64(m.pages * m.pageSize), buf: make([]byte, 0, m.pageSize)},
	}
	v.seen[0] = 1<<0 | 1<<1 // the meta pages
	if err := v.tree(m.root, bounds{}, 0, true); err != nil {
		return err
	}
	if m.freelist == noFreelist {
		return nil
	}
	return v.freelist(m.freelist)
}

// verifier walks through a file.
type verifier struct {
	meta     meta
	seen     []uint64 // a bit for each page that something has led to
	elements window   // where the elements of pages are read
	keys     window   // the same for their keys, which may be far behind
}

// bounds is what the keys of a page have to be between: from, if it is not nil,
// is the first key (bolt looks for a page in the one above it by its first key,
// and makes it twice when it is not there), to, if it is not nil, the first that
// may not be there.
type bounds struct{ from, to []byte }

// page is where a page, or a bucket without one of its own, is in the file.
type page struct {
	id    uint64
	kind  uint16
	count int
	start int64 // offset of its header
	end   int64 // offset of what comes after it
}

func (p page) String() string { return fmt.Sprintf("page %d", p.id) }

// claim notes that something has led to a run of pages. Nothing else may.
func (v *verifier) claim(id, n uint64) error {
	for ; n > 0; id, n = id+1, n-1 {
		if v.seen[id/64]&(1<<(id%64)) != 0 {
			return corrupt("page %d is in two places", id)
		}
		v.seen[id/64] |= 1 << (id % 64)
	}
	return nil
}

// open reads the header of a page.
func (v *verifier) open(id uint64) (page, error) {
	if id < 2 || id >= v.meta.pages {
		return page{}, corrupt("something leads to page %d of %d", id, v.meta.pages)
	}
	start := int64(id * v.meta.pageSize)
	header, err := v.elements.at(start, pageHeaderSize)
	if err != nil {
		return page{}, err
	}
	overflow := uint64(order.Uint32(header[12:]))
	switch {
	case order.Uint64(header) != id:
		return page{}, corrupt("page %d says it is page %d", id, order.Uint64(header))
	case overflow >= v.meta.pages-id:
		return page{}, corrupt("page %d goes on for %d more, beyond the last page %d", id, overflow, v.meta.pages-1)
	}
	p := page{
		id:    id,
		kind:  order.Uint16(header[8:]),
		count: int(order.Uint16(header[10:])),
		start: start,
		end:   start + int64((1+overflow)*v.meta.pageSize),
	}
	return p, v.claim(id, 1+overflow)
}

// tree checks a page of a bucket and everything below it.
func (v *verifier) tree(id uint64, within bounds, depth int, root bool) error {
	if depth > maxDepth {
		return corrupt("page %d is below %d others", id, depth)
	}
	p, err := v.open(id)
	if err != nil {
		return err
	}
	switch {
	case p.kind == leafPage && (p.count > 0 || root):
		return v.leaf(p, within, depth, false)
	case p.kind == branchPage && p.count > 0:
		return v.branch(p, within, depth)
	default:
		return corrupt("page %d of kind %#x has %d elements", p.id, p.kind, p.count)
	}
}

// branch checks a page of keys that lead to other pages.
func (v *verifier) branch(p page, within bounds, depth int) error {
	w := walk{v: v, page: p, elementSize: branchElementSize, within: within}
	w.begin()
	var child uint64
	var from []byte
	for i := range p.count {
		e, err := v.elements.at(p.start+pageHeaderSize+int64(i)*branchElementSize, branchElementSize)
		if err != nil {
			return err
		}
		pos, size, next := order.Uint32(e), order.Uint32(e[4:]), order.Uint64(e[8:])
		key, err := w.key(i, pos, size, 0)
		if err != nil {
			return err
		}
		// A child is checked when the key after it is known.
		key = bytes.Clone(key)
		if i > 0 {
			if err := v.tree(child, bounds{from, key}, depth+1, false); err != nil {
				return err
			}
		}
		child, from = next, key
	}
	return v.tree(child, bounds{from, within.to}, depth+1, false)
}

// leaf checks a page of keys and values, or such a page that is the value of a
// bucket in another one.
func (v *verifier) leaf(p page, within bounds, depth int, inline bool) error {
	w := walk{v: v, page: p, elementSize: leafElementSize, within: within}
	w.begin()
	for i := range p.count {
		e, err := v.elements.at(p.start+pageHeaderSize+int64(i)*leafElementSize, leafElementSize)
		if err != nil {
			return err
		}
		flags, pos, ksize, vsize := order.Uint32(e), order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		if _, err := w.key(i, pos, ksize, vsize); err != nil {
			return err
		}
		switch {
		case flags == 0:
		case flags != bucketElement || inline:
			return corrupt("element %d of %v has the flags %#x", i, p, flags)
		default:
			if err := v.bucket(p, w.next-int64(vsize), w.next, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket checks the bucket whose header is a value of a page.
func (v *verifier) bucket(p page, start, end int64, depth int) error {
	if end-start < bucketHeaderSize {
		return corrupt("a bucket of %d bytes in %v", end-start, p)
	}
	header, err := v.keys.at(start, bucketHeaderSize)
	if err != nil {
		return err
	}
	if root := order.Uint64(header); root != inlineRoot {
		return v.tree(root, bounds{}, depth, true)
	}
	start += bucketHeaderSize
	if end-start < pageHeaderSize {
		return corrupt("a bucket in %v without a page", p)
	}
	if header, err = v.keys.at(start, pageHeaderSize); err != nil {
		return err
	}
	p = page{
		id:    p.id,
		kind:  order.Uint16(header[8:]),
		count: int(order.Uint16(header[10:])),
		start: start,
		end:   end,
	}
	if p.kind != leafPage || order.Uint64(header) != 0 || order.Uint32(header[12:]) != 0 {
		return corrupt("a bucket in %v is of kind %#x", p, p.kind)
	}
	return v.leaf(p, bounds{}, depth, true)
}

// walk goes through the elements of one page.
type walk struct {
	v           *verifier
	page        page
	elementSize int64
	within      bounds
	next        int64  // offset of what comes after the element before
	last        []byte // its key
}

func (w *walk) begin() {
	w.next = w.page.start + pageHeaderSize + int64(w.page.count)*w.elementSize
}

// key checks the place of an element's key and value, which come one after the
// other in the order of the elements, and reads the key. It is good until the
// next one.
func (w *walk) key(i int, pos, ksize, vsize uint32) ([]byte, error) {
	start := w.page.start + pageHeaderSize + int64(i)*w.elementSize + int64(pos)
	end := start + int64(ksize) + int64(vsize)
	if start < w.next || end > w.page.end || ksize == 0 || ksize > maxKeySize {
		return nil, corrupt("element %d of %v, with %d+%d bytes at %d, is not within it", i, w.page, ksize, vsize, pos)
	}
	key, err := w.v.keys.at(start, int(ksize))
	if err != nil {
		return nil, err
	}
	switch {
	case i > 0 && bytes.Compare(w.last, key) >= 0,
		i == 0 && w.within.from != nil && !bytes.Equal(w.within.from, key),
		w.within.to != nil && bytes.Compare(key, w.within.to) >= 0:
		return nil, corrupt("element %d of %v is out of order: %s", i, w.page, quote(key))
	}
	w.last = append(w.last[:0], key...)
	w.next = end
	return key, nil
}

// freelist checks the list of free pages. Pages that are neither in it nor in
// use are lost, which does no harm.
func (v *verifier) freelist(id uint64) error {
	p, err := v.open(id)
	if err != nil {
		return err
	}
	if p.kind != freelistPage {
		return corrupt("the list of free pages is of kind %#x", p.kind)
	}
	at, count := p.start+pageHeaderSize, uint64(p.count)
	const more = 0xffff // the number is too large for its place
	if count == more {
		b, err := v.elements.at(at, 8)
		if err != nil {
			return err
		}
		at, count = at+8, order.Uint64(b)
	}
	if count > uint64(p.end-at)/8 {
		return corrupt("%d free pages are more than fit in their list", count)
	}
	for ; count > 0; at, count = at+8, count-1 {
		b, err := v.elements.at(at, 8)
		if err != nil {
			return err
		}
		free := order.Uint64(b)
		if free < 2 || free >= v.meta.pages {
			return corrupt("page %d of %d is in the list of free pages", free, v.meta.pages)
		}
		if err := v.claim(free, 1); err != nil {
			return err
		}
	}
	return nil
}
