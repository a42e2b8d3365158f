package audit

import "golang.org/x/mod/sumdb/tlog"

// What the tests outside the package need of its inside.

type EntryLine = entryLine

func ParseEntryLine(b []byte) (EntryLine, error) { return parseLine[entryLine](b) }

func (l entryLine) String() string { return string(l.append(nil)) }

func CheckpointLine(note string) string { return string(checkpointLine{note}.append(nil)) }

func ParseCheckpointLine(b []byte) (string, error) {
	l, err := parseLine[checkpointLine](b)
	return l.Checkpoint, err
}

type Tree = tree

func (t *tree) Add(leaf tlog.Hash) []tlog.Hash { return t.add(leaf, nil) }
func (t *tree) Root() tlog.Hash                { return t.root() }
func (t *tree) Edge() []tlog.Hash              { return t.edge }
func EdgeIndexes(size uint64) []int64          { return edgeIndexes(size) }

const MaxRange = maxRange
