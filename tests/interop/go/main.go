// Command audit checks an exported Indelible log with the Go team's own transparency-log code
// (golang.org/x/mod/sumdb) and transparency-dev/formats for cosignatures and tlog-proof files.
//
//	audit [-old CHECKPOINT] [-proof FILE.tlog-proof] DIR VKEY...
//
// It knows nothing of Indelible: signatures, every tile against the signed root, every entry
// against its leaf, inclusion and consistency. It prints one JSON line, or says what is wrong and
// exits with 1.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// folder reads tiles from files; C2SP paths are Go's without the height.
type folder string

func (f folder) Height() int                     { return 8 }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := f.read(strings.Replace(t.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (f folder) read(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(path)))
}

// open verifies a checkpoint under every given key and returns the tree it states.
func open(data []byte, vkeys []string) (tlog.Tree, error) {
	var tree tlog.Tree
	for _, vkey := range vkeys {
		verifier, err := fnote.NewVerifier(vkey)
		if err != nil {
			return tree, fmt.Errorf("key: %w", err)
		}
		signed, err := note.Open(data, note.VerifierList(verifier))
		if err != nil {
			return tree, fmt.Errorf("checkpoint under %s: %w", vkey[:40], err)
		}
		var head log.Checkpoint
		if rest, err := head.Unmarshal([]byte(signed.Text)); err != nil || len(rest) != 0 {
			return tree, fmt.Errorf("checkpoint: malformed, or more than three lines: %v", err)
		}
		tree.N = int64(head.Size)
		copy(tree.Hash[:], head.Hash)
	}
	return tree, nil
}

// tiles compares every published tile with what the authenticated tree holds there.
func tiles(dir folder, tree tlog.Tree, hashes tlog.HashReader) (int, error) {
	published := tlog.NewTiles(8, 0, tree.N)
	for _, t := range published {
		want, err := tlog.ReadTileData(t, hashes)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", t.Path(), err)
		}
		got, err := dir.ReadTiles([]tlog.Tile{t})
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(got[0], want) {
			return 0, fmt.Errorf("%s: differs from the tree", t.Path())
		}
	}
	return len(published), nil
}

// entries hashes every entry of every bundle and compares it with its leaf.
func entries(dir folder, tree tlog.Tree) (int64, error) {
	var index int64
	for _, t := range tlog.NewTiles(8, 0, tree.N) {
		if t.L != 0 {
			continue
		}
		leaves, err := dir.ReadTiles([]tlog.Tile{t})
		if err != nil {
			return 0, err
		}
		path := strings.Replace(t.Path(), "tile/8/0/", "tile/entries/", 1)
		bundle, err := dir.read(path)
		if err != nil {
			return 0, err
		}
		for i := 0; i < t.W; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(bundle[0])<<8+int(bundle[1]) {
				return 0, fmt.Errorf("entry %d: %s is cut off", index, path)
			}
			end := 2 + int(bundle[0])<<8 + int(bundle[1])
			leaf := tlog.RecordHash(bundle[2:end])
			if !bytes.Equal(leaf[:], leaves[0][i*32:i*32+32]) {
				return 0, fmt.Errorf("entry %d: not the one in the tree", index)
			}
			bundle, index = bundle[end:], index+1
		}
		if len(bundle) != 0 {
			return 0, fmt.Errorf("entry %d: %s holds more than its tile", index, path)
		}
	}
	return index, nil
}

// proofs makes and checks inclusion and consistency proofs at sizes and indexes across the tree.
func proofs(tree tlog.Tree, hashes tlog.HashReader) error {
	for _, n := range []int64{0, 1, tree.N / 3, tree.N / 2, tree.N - 2, tree.N - 1} {
		if n < 0 || n >= tree.N {
			continue
		}
		leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
		if err != nil {
			return err
		}
		p, err := tlog.ProveRecord(tree.N, n, hashes)
		if err == nil {
			err = tlog.CheckRecord(p, tree.N, tree.Hash, n, leaf[0])
		}
		if err != nil {
			return fmt.Errorf("inclusion of %d: %w", n, err)
		}
		root, err := tlog.TreeHash(n+1, hashes)
		if err == nil {
			err = extends(tlog.Tree{N: n + 1, Hash: root}, tree, hashes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func extends(old, tree tlog.Tree, hashes tlog.HashReader) error {
	p, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err == nil {
		err = tlog.CheckTree(p, tree.N, tree.Hash, old.N, old.Hash)
	}
	if err != nil {
		return fmt.Errorf("consistency from %d: %w", old.N, err)
	}
	return nil
}

// single verifies a tlog-proof whose extra data begins with the 60-byte entry.
func single(path string, vkeys []string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var p proof.TLogProof
	if err := p.Unmarshal(data); err != nil {
		return err
	}
	tree, err := open(p.Checkpoint, vkeys)
	if err != nil {
		return err
	}
	if len(p.ExtraData) != 92 {
		return fmt.Errorf("tlog-proof: extra data of %d bytes", len(p.ExtraData))
	}
	var path2root tlog.RecordProof
	for _, h := range p.Hashes {
		path2root = append(path2root, tlog.Hash(h))
	}
	leaf := tlog.RecordHash(p.ExtraData[:60])
	return tlog.CheckRecord(path2root, tree.N, tree.Hash, int64(p.Index), leaf)
}

func run(dir folder, vkeys []string, old, proofFile string) (map[string]string, error) {
	data, err := dir.read("checkpoint")
	if err != nil {
		return nil, err
	}
	tree, err := open(data, vkeys)
	if err != nil {
		return nil, err
	}
	hashes := tlog.TileHashReader(tree, dir)
	published, err := tiles(dir, tree, hashes)
	if err != nil {
		return nil, err
	}
	count, err := entries(dir, tree)
	if err != nil {
		return nil, err
	}
	if err := proofs(tree, hashes); err != nil {
		return nil, err
	}
	if old != "" {
		data, err := os.ReadFile(old)
		if err != nil {
			return nil, err
		}
		before, err := open(data, vkeys)
		if err == nil {
			err = extends(before, tree, hashes)
		}
		if err != nil {
			return nil, fmt.Errorf("old checkpoint: %w", err)
		}
	}
	if proofFile != "" {
		if err := single(proofFile, vkeys); err != nil {
			return nil, fmt.Errorf("proof: %w", err)
		}
	}
	return map[string]string{
		"entries": strconv.FormatInt(count, 10),
		"tiles":   strconv.Itoa(published),
		"root":    fmt.Sprintf("%x", tree.Hash[:]),
	}, nil
}

func main() {
	old := flag.String("old", "", "an earlier checkpoint that the log must extend")
	proofFile := flag.String("proof", "", "a tlog-proof file to verify under the same keys")
	flag.Parse()
	if flag.NArg() < 2 {
		flag.Usage()
		os.Exit(2)
	}
	found, err := run(folder(flag.Arg(0)), flag.Args()[1:], *old, *proofFile)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	line, _ := json.Marshal(found)
	fmt.Println(string(line))
}
