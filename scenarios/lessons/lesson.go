package lessons

import (
	"context"
	"fmt"
	"slices"
)

// Lesson is a short lesson, with what to remember of it and what to try.
type Lesson struct {
	Name  string // of letters, digits and dashes
	Title string
	About string // one line: what it teaches
	// Remember is what to take away, a sentence each.
	Remember []string
	// Try are commands that show more.
	Try []string

	scenes []scene
}

// scene is a scene before it is played.
type scene struct {
	title  string
	pieces []piece
}

// piece is a part of a scene, which may have to be computed.
type piece func(ctx context.Context) (Block, error)

// Kind says what a block is.
type Kind uint8

// The kinds of blocks.
const (
	Say  Kind = iota // prose, a paragraph each line
	Code             // Go source
	Look             // computed: what a program did, or what a disk holds
	Ask              // a question; what follows in the scene is the answer
)

// String returns the kind in lower case.
func (k Kind) String() string { return [...]string{"say", "code", "look", "ask"}[k] }

// Block is a part of a scene: lines of one kind.
type Block struct {
	Kind  Kind
	Title string // of what is computed; "" for none
	Lines []string
}

// Scene is a page of a lesson.
type Scene struct {
	Title  string
	Blocks []Block
}

// Answer returns where the answer begins: behind the question, or behind all
// blocks where nothing is asked.
func (s *Scene) Answer() int {
	i := slices.IndexFunc(s.Blocks, func(b Block) bool { return b.Kind == Ask })
	if i < 0 {
		return len(s.Blocks)
	}
	return i + 1
}

// All returns the lessons in the order of the course.
func All() []Lesson {
	return []Lesson{
		renameLesson(), deferLesson(), checksumLesson(), fsyncLesson(), beforeFsyncLesson(), remediesLesson(),
		modelsLesson(), tornLesson(), failedSyncLesson(), killLesson(),
	}
}

// Find returns the lesson with the given name.
func Find(name string) (Lesson, bool) {
	for _, l := range All() {
		if l.Name == name {
			return l, true
		}
	}
	return Lesson{}, false
}

// Play computes the scenes of a lesson. An answer that is not the one that the
// lesson goes on from is an error.
func (l Lesson) Play(ctx context.Context) ([]Scene, error) {
	scenes := make([]Scene, len(l.scenes))
	for i, s := range l.scenes {
		scenes[i].Title = s.title
		for _, p := range s.pieces {
			b, err := p(ctx)
			if err != nil {
				return nil, fmt.Errorf("lesson %s, %q: %w", l.Name, s.title, err)
			}
			scenes[i].Blocks = append(scenes[i].Blocks, b)
		}
	}
	return scenes, nil
}

// say is prose, a paragraph each.
func say(paragraphs ...string) piece { return words(Say, paragraphs) }

// ask is a question to the reader, answered by the parts behind it.
func ask(question string) piece { return words(Ask, []string{question}) }

func words(kind Kind, lines []string) piece {
	return func(context.Context) (Block, error) { return Block{Kind: kind, Lines: lines}, nil }
}
