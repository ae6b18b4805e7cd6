//go:build s3

package cloud

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"rkd/pipeline/storage"
	"rkd/pipeline/storage/storagetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestS3Store runs the suite of all stores, with the races of 100 rounds, against a real server.
func TestS3Store(t *testing.T) {
	server := storagetest.S3(t)
	n := 0
	storagetest.Run(t, 100, func(*testing.T) func() storage.Store {
		n++
		location := server.URL(fmt.Sprintf("suite/%d", n))
		return func() storage.Store { return storage.At(location) }
	})
}

// proxy stands between a client and the server at an address. answer may answer in the server's place.
func proxy(t *testing.T, address string, answer func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: address})
		r.Out.Host = r.In.Host // which the client has signed
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer == nil || !answer(w, r) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// cut ends a connection in the middle of a request.
func cut(w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func isPart(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Has("partNumber")
}

// large is an object of three parts.
var large = strings.Repeat("0123456789abcdef", 20<<20/16)

func write(w io.Writer) error {
	_, err := io.WriteString(w, large)
	return err
}

func TestS3LostConnectionInAnUploadOfParts(t *testing.T) {
	server := storagetest.S3(t)
	for _, tt := range []struct {
		name string
		lost int32 // requests, of those that upload a part
		want error
	}{{"for a while", 4, nil}, {"for good", 1 << 30, storage.ErrUnreachable}} {
		t.Run(tt.name, func(t *testing.T) {
			var parts atomic.Int32
			between := proxy(t, server.Address, func(w http.ResponseWriter, r *http.Request) bool {
				if !isPart(r) || parts.Add(1) > tt.lost {
					return false
				}
				cut(w, r)
				return true
			})
			name := strings.ReplaceAll(tt.name, " ", "-")
			s := storage.At(storagetest.S3URL(between, "lost"))
			err := s.Create(t.Context(), name, write)
			if !errors.Is(err, tt.want) || err != nil && strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v, want %v in one line", err, tt.want)
			}
			data, err := storage.ReadFile(t.Context(), storage.At(server.URL("lost")), name, 1<<30)
			if tt.want == nil && (err != nil || string(data) != large) || tt.want != nil && err == nil {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
		})
	}
}

// TestS3CreatesLargeObjectsOnce races uploads in parts: the condition holds when they are completed.
func TestS3CreatesLargeObjectsOnce(t *testing.T) {
	server := storagetest.S3(t)
	s := storage.At(server.URL("large"))
	results := make(chan error, 4)
	for i := range 4 {
		go func() {
			results <- s.Create(t.Context(), "name", func(w io.Writer) error {
				_, err := io.WriteString(w, strings.Repeat(fmt.Sprint(i), 17<<20))
				return err
			})
		}()
	}
	winners := 0
	for range 4 {
		switch err := <-results; {
		case err == nil:
			winners++
		case !errors.Is(err, os.ErrExist):
			t.Error(err)
		}
	}
	data, err := storage.ReadFile(t.Context(), s, "name", 1<<30)
	must(t, err)
	if winners != 1 || len(data) != 17<<20 || strings.Trim(string(data), string(data[:1])) != "" {
		t.Errorf("%d winners, %d bytes", winners, len(data))
	}
}

func TestS3Refusals(t *testing.T) {
	server := storagetest.S3(t)
	refuse := func(status int, code, message string) string {
		return proxy(t, server.Address, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut {
				return false
			}
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
			return true
		})
	}
	t.Run("permission to write", func(t *testing.T) {
		s := storage.At(storagetest.S3URL(refuse(403, "AccessDenied", "Access Denied."), "x"))
		wantError(t, s.Create(t.Context(), "name", write), storage.ErrRefused, "no permission (status 403 AccessDenied")
	})
	t.Run("quota", func(t *testing.T) {
		s := storage.At(storagetest.S3URL(refuse(403, "QuotaExceeded", "The quota is exceeded."), "x"))
		wantError(t, s.Create(t.Context(), "name", write), storage.ErrFull, "QuotaExceeded")
	})
	t.Run("no such bucket", func(t *testing.T) {
		s := storage.At(strings.Replace(server.URL("x"), "s3://test", "s3://nowhere", 1))
		_, err := s.List(t.Context())
		wantError(t, err, storage.ErrRefused, "there is no such bucket")
	})
	t.Run("wrong keys", func(t *testing.T) {
		t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
		_, err := storage.At(server.URL("x") + "&disable_https=true").List(t.Context()) // another client
		wantError(t, err, storage.ErrRefused, "no permission")
	})
}

func wantError(t *testing.T, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v, want %v with %q", err, want, text)
	}
}

func TestS3Tree(t *testing.T) {
	server := storagetest.S3(t)
	here, there := t.TempDir(), t.TempDir()
	must(t, os.Mkdir(filepath.Join(here, "seed-1"), 0o755))
	must(t, os.WriteFile(filepath.Join(here, "seed-1", "last"), []byte(large), 0o644))
	must(t, os.WriteFile(filepath.Join(here, "results.json"), []byte("{}"), 0o644))
	must(t, (&storage.Tree{Location: server.URL("tree"), Dir: here}).Push(t.Context()))
	must(t, (&storage.Tree{Location: server.URL("tree"), Dir: there}).Pull(t.Context()))
	data, err := os.ReadFile(filepath.Join(there, "seed-1", "last"))
	if err != nil || string(data) != large {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	must(t, storage.RemoveAll(t.Context(), server.URL("tree")))
	if entries, err := storage.At(server.URL("tree")).List(t.Context()); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}
