package lessons

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
)

var (
	//go:embed course.css
	style string
	//go:embed course.html
	pages string
)

// templates are the page of a lesson and that of the list of lessons.
var templates = template.Must(template.New("course").Parse(pages))

// htmlPage is what a template needs to know.
type htmlPage struct {
	Style    template.CSS
	Policy   string // the hash of Style, for the content security policy
	Lesson   *Lesson
	Scenes   []htmlScene
	Lessons  []Lesson
	Previous *Lesson
	Next     *Lesson
}

// htmlScene is a scene before its question is answered, and the answer.
type htmlScene struct {
	Number int
	Title  string
	Before []Block
	After  []Block
}

// HTML plays all lessons and returns the course as pages by file name, the list
// of lessons as index.html. They need no network and no script: an answer opens
// when it is asked for.
func HTML(ctx context.Context) (map[string][]byte, error) {
	sum := sha256.Sum256([]byte(style))
	base := htmlPage{Style: template.CSS(style), Policy: base64.StdEncoding.EncodeToString(sum[:]), Lessons: All()}
	files := map[string][]byte{}
	put := func(file, name string, p htmlPage) error {
		var b bytes.Buffer
		err := templates.ExecuteTemplate(&b, name, p)
		files[file] = b.Bytes()
		return err
	}
	if err := put("index.html", "index", base); err != nil {
		return nil, err
	}
	for i := range base.Lessons {
		p := base
		p.Lesson = &base.Lessons[i]
		if i > 0 {
			p.Previous = &base.Lessons[i-1]
		}
		if i+1 < len(base.Lessons) {
			p.Next = &base.Lessons[i+1]
		}
		scenes, err := p.Lesson.Play(ctx)
		if err != nil {
			return nil, err
		}
		for k := range scenes {
			s := &scenes[k]
			p.Scenes = append(p.Scenes, htmlScene{k + 1, s.Title, s.Blocks[:s.Answer()], s.Blocks[s.Answer():]})
		}
		if err := put(p.Lesson.Name+".html", "lesson", p); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Prose reports whether a block is prose, for the templates; so do the others.
func (b Block) Prose() bool { return b.Kind == Say }

// Source reports whether a block is code.
func (b Block) Source() bool { return b.Kind == Code }

// Question reports whether a block is a question.
func (b Block) Question() bool { return b.Kind == Ask }
