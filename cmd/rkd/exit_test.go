package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"rkd/pipeline/cache"
)

// Every exported sentinel error of the module's packages is mapped to an exit code in exit.go, and so is every exported
// error type that does not unwrap to a sentinel. Packages below internal are left out: their errors leave the program
// through the packages that own them.
func TestEverySentinelHasAnExitCode(t *testing.T) {
	t.Parallel()
	mapped := mappedErrors(t)
	found := 0
	for name := range exportedErrors(t) {
		found++
		if !mapped[name] {
			t.Errorf("%s has no exit code: add it to exit.go", name)
		}
	}
	if found < 30 {
		t.Errorf("%d sentinel errors found, expected more: the test looks in the wrong place", found)
	}
}

// Each sentinel ends with the code of its row, wrapped too.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	documented := map[int]bool{}
	for _, m := range exitMeanings {
		documented[m.code] = true
	}
	for _, row := range sentinels {
		if !documented[row.code] {
			t.Errorf("exit code %d has no meaning in exitMeanings", row.code)
		}
		for _, sentinel := range row.errs {
			if code, _ := exitCode(t.Context(), fmt.Errorf("doing it: %w", sentinel)); code != row.code {
				t.Errorf("%q ends with %d, expected %d", sentinel, code, row.code)
			}
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx  context.Context
		err  error
		code int
	}{
		{t.Context(), nil, exitDone},
		{t.Context(), usage("--k", "--k is 0"), exitUsage},
		{t.Context(), errors.New("disk full"), exitFailed},
		{t.Context(), fmt.Errorf("%w: writing: %w", cache.ErrIncomplete, syscall.EDQUOT), exitFull},
		{t.Context(), context.Canceled, exitInterrupted},
		{cancelled, errors.New("whatever came of it"), exitInterrupted},
	} {
		if code, _ := exitCode(test.ctx, test.err); code != test.code {
			t.Errorf("%v ends with %d, expected %d", test.err, code, test.code)
		}
	}
}

// mappedErrors lists what exit.go mentions of other packages, as import path and name.
func mappedErrors(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "exit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string]string{}
	for _, i := range file.Imports {
		importPath, _ := strconv.Unquote(i.Path.Value)
		imports[path.Base(importPath)] = importPath
	}
	mapped := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && imports[x.Name] != "" {
				mapped[imports[x.Name]+"."+s.Sel.Name] = true
			}
		}
		return true
	})
	return mapped
}

// exportedErrors lists the module's exported variables Err… and exported error types without Unwrap, as import path and
// name.
func exportedErrors(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			base := e.Name()
			if base != ".." && strings.HasPrefix(base, ".") || base == "testdata" || base == "internal" || base == "cmd" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if file.Name.Name == "main" {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		for _, symbol := range errorsOf(file) {
			found["rkd/"+filepath.ToSlash(dir)+"."+symbol] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// errorsOf lists a file's sentinel errors and its error types that wrap nothing.
func errorsOf(file *ast.File) []string {
	var names []string
	methods := map[string]string{} // of exported types: "Error", "Unwrap" or both
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						names = append(names, name.Name)
					}
				}
			}
		case *ast.FuncDecl:
			if d.Recv == nil || d.Name.Name != "Error" && d.Name.Name != "Unwrap" {
				continue
			}
			receiver := d.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if id, ok := receiver.(*ast.Ident); ok && id.IsExported() {
				methods[id.Name] += d.Name.Name
			}
		}
	}
	for name, has := range methods {
		if has == "Error" {
			names = append(names, name)
		}
	}
	return names
}
