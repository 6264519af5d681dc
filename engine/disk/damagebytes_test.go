package disk

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// damageAll is a variable of the environment. If it is set, each byte is damaged, which takes a
// minute, and not each thirteenth one.
const damageAll = "DAMAGE_ALL"

// clone returns a copy, in which everything is on disk.
func (f *faultFS) clone() *faultFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := newFaultFS(1)
	for name, i := range f.names {
		content := slices.Clone(i.content)
		c.names[name] = &inode{content: content, disk: slices.Clone(content)}
	}
	c.onDisk = maps.Clone(c.names)
	return c
}

// contents returns all messages of an engine by channel.
func contents(t *testing.T, e *Engine) map[string][]string {
	all := map[string][]string{}
	for i := range 3 {
		channel := fmt.Sprint("c", i)
		h, err := e.Read(t.Context(), channel, engine.Position{}, engine.Limit{Messages: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range h.Publications {
			all[channel] = append(all[channel], fmt.Sprintf("%d %d %s", p.Offset, p.Sender, p.Data))
		}
	}
	return all
}

// damagedLog returns a small log of several segments, and its messages with and without those of the
// last batch. Its end is clean, or that of a process that was killed.
func damagedLog(t *testing.T, clean bool) (f *faultFS, all, before map[string][]string) {
	f = newFaultFS(1)
	e := mustOpen(t, f, Options{}, 650)
	for i := range 16 {
		if i == 15 {
			before = contents(t, e)
		}
		for j := range 2 {
			m := engine.Message{Data: fmt.Appendf(nil, "%d.%d", i, j), Sender: uint64(i % 2)}
			if i%4 == 0 {
				m.Key = fmt.Sprint(i)
			}
			if _, err := e.Publish(t.Context(), fmt.Sprint("c", (i+j)%3), m); err != nil {
				t.Fatal(err)
			}
			if i == 15 {
				break
			}
		}
	}
	all = contents(t, e)
	if clean {
		before = all
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return f, all, before
	}
	killed := f.clone()
	e.Close() //nolint:errcheck // its files are not used any more
	return killed, all, before
}

// TestEveryByte flips a bit of each byte of each file, and cuts each file at each byte. Open must
// name the file, or nothing is missing. Only the last batch before an unclean end may be missing.
func TestEveryByte(t *testing.T) {
	step := 13
	if os.Getenv(damageAll) != "" {
		step = 1
	}
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprint("clean ", clean), func(t *testing.T) {
			f, all, before := damagedLog(t, clean)
			counts := map[string]int{}
			names := slices.Sorted(maps.Keys(f.names))
			for i, name := range names {
				size := len(f.names[name].content)
				for place := i % step; place < size; place += step {
					for _, kind := range []string{"flip", "cut"} {
						damaged := f.clone()
						content := damaged.names[name].content
						if kind == "flip" {
							content[place] ^= 1 << (place % 8)
						} else {
							damaged.names[name].content = content[:place]
						}
						e, _, err := open(faultDir, faultSettings(damaged, Options{KeyWindow: time.Hour}, 650))
						what := fmt.Sprintf("%s of byte %d of %s", kind, place, filepath.Base(name))
						var d *DamageError
						var v *VersionError
						switch {
						case errors.As(err, &d):
							if d.File != name && !slices.Contains(names[i:], d.File) || d.File == name && d.Offset > int64(size) {
								t.Errorf("%s: %v", what, err)
							}
							counts[kind+" told"]++
							continue
						case errors.As(err, &v): // the version was damaged together with its checksum
							t.Errorf("%s: %v", what, err)
							continue
						case err != nil:
							t.Errorf("%s: %v", what, err)
							continue
						}
						got := contents(t, e)
						e.Close() //nolint:errcheck // nothing was written
						switch {
						case fmt.Sprint(got) == fmt.Sprint(all):
							counts[kind+" harmless"]++
						case i == len(names)-1 && fmt.Sprint(got) == fmt.Sprint(before):
							counts[kind+" taken for a torn end"]++
						default:
							t.Errorf("%s: %v, want %v", what, got, all)
						}
					}
				}
			}
			t.Logf("%d files: %v", len(names), counts)
			if counts["flip told"] == 0 || counts["cut told"] == 0 || clean && counts["flip taken for a torn end"]+counts["cut taken for a torn end"] > 0 {
				t.Error("the counts cannot be right")
			}
		})
	}
}

// TestWholeFiles swaps, removes and replaces whole files.
func TestWholeFiles(t *testing.T) {
	for _, clean := range []bool{true, false} {
		whole, _, _ := damagedLog(t, clean)
		other, _, _ := damagedLog(t, clean)
		names := slices.Sorted(maps.Keys(whole.names))
		n := len(names)
		for what, damage := range map[string]func(f *faultFS){
			"first removed":   func(f *faultFS) { delete(f.names, names[0]) },
			"second removed":  func(f *faultFS) { delete(f.names, names[1]) },
			"last removed":    func(f *faultFS) { delete(f.names, names[n-1]) },
			"all but first":   func(f *faultFS) { f.names = map[string]*inode{names[0]: f.names[names[0]]} },
			"all but last":    func(f *faultFS) { f.names = map[string]*inode{names[n-1]: f.names[names[n-1]]} },
			"two swapped":     func(f *faultFS) { f.names[names[0]], f.names[names[1]] = f.names[names[1]], f.names[names[0]] },
			"last two":        func(f *faultFS) { f.names[names[n-2]], f.names[names[n-1]] = f.names[names[n-1]], f.names[names[n-2]] },
			"first foreign":   func(f *faultFS) { f.names[names[0]] = other.names[names[0]] },
			"second foreign":  func(f *faultFS) { f.names[names[1]] = other.names[names[1]] },
			"last foreign":    func(f *faultFS) { f.names[names[n-1]] = other.names[names[n-1]] },
			"first empty":     func(f *faultFS) { f.names[names[0]].content = nil },
			"last empty":      func(f *faultFS) { f.names[names[n-1]].content = nil },
			"last of one":     func(f *faultFS) { f.names[names[n-1]].content = []byte{'B'} },
			"first of zeros":  func(f *faultFS) { clear(f.names[names[0]].content) },
			"last of zeros":   func(f *faultFS) { clear(f.names[names[n-1]].content) },
			"first twice":     func(f *faultFS) { f.names[names[1]] = f.names[names[0]] },
			"one more":        func(f *faultFS) { f.names[segmentPath(faultDir, uint64(n+1))] = f.names[names[n-1]] },
			"an older second": func(f *faultFS) { c := f.names[names[1]]; c.content = c.content[:len(c.content)-endSize] },
		} {
			f := whole.clone()
			damage(f)
			e, _, err := open(faultDir, faultSettings(f, Options{}, 650))
			if d, is := asDamage(err); !is || d.File == "" || d.Reason == "" {
				t.Errorf("%s: %v, want a DamageError", what, err)
			}
			if e != nil {
				e.Close() //nolint:errcheck // it should not have been opened
			}
		}
	}
}
