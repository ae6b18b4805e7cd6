package storage_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"rkd/pipeline/storage"
	"rkd/pipeline/storage/storagetest"
)

func TestMain(m *testing.M) {
	storage.Quickly()
	os.Exit(m.Run())
}

var buckets atomic.Int32

// newBucket returns an empty bucket and the URL of a folder in it.
func newBucket() (*storagetest.Memory, string) {
	url := fmt.Sprintf("mem://bucket-%d", buckets.Add(1))
	return storagetest.Bucket(url), url + "/a/folder"
}

func get(t testing.TB, s storage.Store, name string) string {
	t.Helper()
	data, err := storage.ReadFile(t.Context(), s, name, 1<<30)
	must(t, err)
	return string(data)
}

func TestBucket(t *testing.T) {
	storagetest.Run(t, raceRounds, func(*testing.T) func() storage.Store {
		_, url := newBucket()
		return func() storage.Store { return storage.At(url) }
	})
}

// Every way in which a bucket can fail is one sentence of a kind, and what cannot become better is tried once.
func TestFaults(t *testing.T) {
	reset := &storage.Fault{Err: fmt.Errorf("read: %w", syscall.ECONNRESET)}
	for _, tt := range []struct {
		name  string
		fault *storage.Fault
		want  error
		text  string
		tries int
	}{
		{
			"no permission", &storage.Fault{Status: 403, Code: "AccessDenied", Message: "Access Denied."},
			storage.ErrRefused, "the bucket refuses: no permission (status 403 AccessDenied: Access Denied)", 1,
		},
		{
			"no bucket", &storage.Fault{Reason: storage.Missing, Status: 404, Code: "NoSuchBucket"},
			storage.ErrRefused, "there is no such bucket", 1,
		},
		{
			"no credentials", &storage.Fault{Err: errors.New("get credentials:\nnone are set")},
			storage.ErrRefused, "there are no credentials for it (get credentials: none are set)", 1,
		},
		{
			"quota of a service", &storage.Fault{Status: 403, Code: "QuotaExceeded", Message: "Bucket quota exceeded"},
			storage.ErrFull, "quota is used up (status 403 QuotaExceeded: Bucket quota exceeded)", 1,
		},
		{"no storage left", &storage.Fault{Status: 507}, storage.ErrFull, "quota is used up", 1},
		{"a request that makes no sense", &storage.Fault{Status: 400, Code: "InvalidArgument"}, storage.ErrRefused, "400", 1},
		{"a lost connection", reset, storage.ErrUnreachable, "connection reset by peer", storage.Tries()},
		{"slow down", &storage.Fault{Status: 503, Code: "SlowDown"}, storage.ErrUnreachable, "SlowDown", storage.Tries()},
		{"too many requests", &storage.Fault{Status: 429}, storage.ErrUnreachable, "429", storage.Tries()},
	} {
		for _, request := range []string{"List", "Stat", "Write"} {
			t.Run(tt.name+" in "+request, func(t *testing.T) {
				m, url := newBucket()
				tries := 0
				m.Before = func(r, _ string) error {
					if r != request {
						return nil
					}
					tries++
					return tt.fault
				}
				s := storage.At(url)
				var err error
				switch request {
				case "List":
					_, err = s.List(t.Context())
				case "Stat":
					_, err = s.Open(t.Context(), "name")
				default:
					err = s.Create(t.Context(), "name", storage.Bytes(nil))
				}
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "\n") ||
					!storage.IsOutage(err) {
					t.Errorf("%v, want %v with %q", err, tt.want, tt.text)
				}
				if tries != tt.tries {
					t.Errorf("%d tries, want %d", tries, tt.tries)
				}
				if len(m.Keys()) > 0 {
					t.Errorf("left %q", m.Keys())
				}
			})
		}
	}
}

func TestFaultsThatPass(t *testing.T) {
	m, url := newBucket()
	requests := 0
	m.Before = func(string, string) error {
		if requests++; requests%3 != 0 {
			return &storage.Fault{Status: 500, Err: io.ErrUnexpectedEOF}
		}
		return nil
	}
	s := storage.At(url)
	must(t, s.Create(t.Context(), "name", storage.Bytes([]byte("content"))))
	if entries, err := s.List(t.Context()); err != nil || len(entries) != 1 || get(t, s, "name") != "content" {
		t.Errorf("%v, %v", entries, err)
	}
	must(t, s.Remove(t.Context(), "name"))
}

// A request whose answer is lost has been carried out. Trying it again finds what it made itself.
func TestCreationWhoseAnswerIsLost(t *testing.T) {
	m, url := newBucket()
	s := storage.At(url)
	must(t, s.Create(t.Context(), "first", storage.Bytes(nil))) // and the probe
	lost := false
	m.After = func(request, _ string) error {
		if request == "Write" && !lost {
			lost = true
			return &storage.Fault{Err: syscall.ECONNRESET}
		}
		return nil
	}
	if err := s.Create(t.Context(), "name", storage.Bytes([]byte("ours"))); err != nil || !lost {
		t.Errorf("%v, lost %v", err, lost)
	}
	if err := s.Create(t.Context(), "name", storage.Bytes([]byte("other"))); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want fs.ErrExist", err)
	}
}

func TestBucketWithoutCreationIfAbsent(t *testing.T) {
	m, url := newBucket()
	m.NoIfAbsent = true
	err := storage.At(url).Create(t.Context(), "name", storage.Bytes(nil))
	if !errors.Is(err, storage.ErrRefused) || !strings.Contains(err.Error(), "no creation if absent") {
		t.Errorf("%v", err)
	}
	if len(m.Keys()) > 0 {
		t.Errorf("left %q", m.Keys())
	}
}

// large is more than an object that is read into memory, and more than one part.
// A small object that another process replaces between the two requests of reading it is read as it is then.
func TestReplacedWhileRead(t *testing.T) {
	m, url := newBucket()
	s := storage.At(url)
	must(t, s.Create(t.Context(), "name", storage.Bytes([]byte("first"))))
	m.Before = func(request, key string) error {
		if request == "Read" {
			m.Before = nil
			m.Put(key, "the second")
		}
		return nil
	}
	if got := get(t, s, "name"); got != "the second" {
		t.Errorf("got %q", got)
	}
}

var large = strings.Repeat("0123456789abcdef", 9<<20/16+1) + "end"

func TestLargeObjects(t *testing.T) {
	for name, keep := range map[string]func(t *testing.T){
		"with copies":    func(t *testing.T) { storage.Keep(t.TempDir(), 1<<30) },
		"without copies": func(*testing.T) { storage.NoCopies() },
		"too large":      func(t *testing.T) { storage.Keep(t.TempDir(), 1<<20) },
		"no room":        func(*testing.T) { storage.Keep("/proc/nowhere", 1<<30) },
	} {
		t.Run(name, func(t *testing.T) {
			keep(t)
			defer storage.NoCopies()
			m, url := newBucket()
			s := storage.At(url)
			must(t, s.Create(t.Context(), "name", storage.Bytes([]byte(large))))
			var failed atomic.Bool // parts are read at the same time
			m.Before = func(request, _ string) error {
				if request == "Read" && failed.CompareAndSwap(false, true) {
					return &storage.Fault{Err: io.ErrUnexpectedEOF}
				}
				return nil
			}
			if get(t, s, "name") != large {
				t.Error("other bytes")
			}
			f, err := s.Open(t.Context(), "name")
			must(t, err)
			defer f.Close()
			end := make([]byte, 10)
			if n, err := f.ReadAt(end, f.Size()-3); n != 3 || !errors.Is(err, io.EOF) || string(end[:n]) != "end" {
				t.Errorf("%d bytes %q, %v", n, end[:n], err)
			}
		})
	}
}

func TestCopies(t *testing.T) {
	dir := t.TempDir()
	storage.Keep(dir, 3<<20)
	defer storage.NoCopies()
	m, url := newBucket()
	s := storage.At(url)
	content := func(i int) string { return strings.Repeat(fmt.Sprint(i), 5<<18) } // 1.25 MiB
	for i := range 3 {
		must(t, s.Create(t.Context(), fmt.Sprint(i), storage.Bytes([]byte(content(i)))))
	}
	m.Put("a/folder/foreign", content(4)) // whose hash nobody has written down
	reads := 0
	m.Before = func(request, _ string) error {
		if request == "Read" {
			reads++
		}
		return nil
	}
	read := func(name, want string, wantReads int) {
		t.Helper()
		reads = 0
		if get(t, s, name) != want || reads != wantReads {
			t.Errorf("%s: %d reads, want %d and the content", name, reads, wantReads)
		}
	}
	read("0", content(0), 1)
	read("0", content(0), 0)
	read("foreign", content(4), 1)
	read("foreign", content(4), 0)
	read("0", content(0), 0) // the one that was used last
	read("1", content(1), 1) // takes the place of foreign
	read("0", content(0), 0)
	read("foreign", content(4), 1)

	// Another process finds a copy that is damaged.
	storage.Keep(dir, 3<<20)
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("%d copies, want 2 within the limit", len(entries))
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		data[7]++
		must(t, os.WriteFile(filepath.Join(dir, e.Name()), data, 0o644))
	}
	read("foreign", content(4), 1)

	// An object that was replaced is another one.
	m.Put("a/folder/foreign", content(5))
	read("foreign", content(5), 1)
}

func TestLocations(t *testing.T) {
	for _, tt := range []struct{ location, joined, folder, name string }{
		{"runs/x", "runs/x/a/b", "runs", "x"},
		{"s3://bucket", "s3://bucket/a/b", "s3://bucket", ""},
		{"s3://bucket/runs/x", "s3://bucket/runs/x/a/b", "s3://bucket/runs", "x"},
		{
			"s3://bucket/x/?endpoint=http://h:1&region=r", "s3://bucket/x/a/b?endpoint=http://h:1&region=r",
			"s3://bucket/?endpoint=http://h:1&region=r", "x",
		},
	} {
		if got := storage.Join(tt.location, "a", "b"); got != tt.joined {
			t.Errorf("Join(%q) is %q, want %q", tt.location, got, tt.joined)
		}
		if folder, name := storage.Split(tt.location); folder != tt.folder || name != tt.name {
			t.Errorf("Split(%q) is %q, %q, want %q, %q", tt.location, folder, name, tt.folder, tt.name)
		}
	}
	if path, err := storage.Clean("file:///a/b%20c"); err != nil || path != "/a/b c" {
		t.Errorf("%q, %v", path, err)
	}
	for _, wrong := range []string{"s3:///x", "s3://key:secret@bucket/x", "file://host/x", "file://", "s3://bucket/x#1"} {
		if _, err := storage.Clean(wrong); !errors.Is(err, storage.ErrLocation) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want ErrLocation", wrong, err)
		}
	}
	for _, wrong := range []string{"s3://bucket/x", "s4://bucket/x"} { // no cloud is linked into this test
		if _, err := storage.At(wrong).List(t.Context()); !errors.Is(err, storage.ErrLocation) {
			t.Errorf("%q: %v, want ErrLocation", wrong, err)
		}
	}
}
