package pipeline

import (
	"bytes"
	"context"
	_ "embed" // the template
	"encoding/base64"
	"fmt"
	"html/template"

	"rkd/datasets"
	"rkd/student/train/record"
)

//go:embed searchpage.html.tmpl
var searchPage string

// shown is a picture of the page.
type shown struct {
	Path, Class, Distance string
	Picture               template.URL // empty where the file is no picture
}

// WriteSearchPage writes what queries have found as an HTML page of pictures, which needs neither the files nor a
// network any more. Files that are gone or do not decode have an empty place.
func WriteSearchPage(ctx context.Context, path, vectors string, found []Found) error {
	t, err := template.New("page").Parse(searchPage)
	if err != nil {
		return err
	}
	page := struct {
		Vectors string
		Rows    [][]shown
	}{Vectors: vectors}
	for _, f := range found {
		row := []shown{{Path: f.Query, Picture: dataPicture(ctx, f.Query)}}
		for _, n := range f.Neighbours {
			row = append(row, shown{
				Path: n.Path, Class: n.Class, Distance: fmt.Sprintf("%.4f", n.Distance), Picture: dataPicture(ctx, n.Path),
			})
		}
		page.Rows = append(page.Rows, row)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := t.Execute(&b, page); err != nil {
		return err
	}
	return record.WriteFile(path, b.Bytes())
}

// dataPicture is a small JPEG of a picture as a data URL, empty where there is none.
func dataPicture(ctx context.Context, path string) template.URL {
	if !datasets.IsImageName(path) {
		return ""
	}
	data, err := datasets.OpenFiles(ctx, []string{path}, datasets.Resources{})
	if err != nil {
		return ""
	}
	picture, ok := data.Sample(0).Content.(datasets.Picture)
	if !ok {
		return ""
	}
	var small []byte
	err = picture.Image(ctx, func(img datasets.Image) error {
		small, err = thumbnailOf(img)
		return err
	})
	if err != nil {
		return ""
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(small))
}
