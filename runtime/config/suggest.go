package config

import (
	"maps"
	"slices"
	"strings"
)

// guess is the key that a misspelt one most likely is: one of the same map, or
// one of another map when it is known there by this very name. It is "" when
// none is near.
func (r *reader) guess(name string, fields map[string]field) string {
	if near := closest(name, fields, mistake); near != "" {
		return near
	}
	var elsewhere []string
	for _, key := range r.known {
		if last := key[strings.LastIndexByte(key, '.')+1:]; normal(last) == normal(name) {
			elsewhere = append(elsewhere, key)
		}
	}
	return strings.Join(elsewhere, " or ")
}

// How many letters of a name may be wrong: one in so many.
const (
	mistake = 3 // where nothing else is known
	slip    = 7 // where the adapter has keys of its own: mode need not be model
)

// closest is the known key that a misspelt one most likely is, "" when none is
// near.
func closest(name string, fields map[string]field, oneIn int) string {
	return nearest(name, slices.Sorted(maps.Keys(fields)), oneIn) // sorted: the same guess every time
}

// nearest is the candidate that differs least from name: not at all but for
// case and separators, or in one of so many letters and at most in three.
func nearest(name string, candidates []string, oneIn int) string {
	best, distance := "", 4
	for _, c := range candidates {
		if c == "" {
			continue
		}
		if normal(c) == normal(name) {
			return c
		}
		if d := editDistance(strings.ToLower(name), c); d < distance && d <= (len(c)+1)/oneIn {
			best, distance = c, d
		}
	}
	return best
}

// normal is a key without what people get wrong first: case, and how words are
// joined.
func normal(s string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
}

// editDistance is how many letters have to be put in, taken out, replaced or
// swapped with a neighbour to make b of a. Texts that differ by more than three
// in length it does not compare.
func editDistance(a, b string) int {
	if d := len(a) - len(b); d > 3 || d < -3 {
		return 4
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
