package storagetest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// VersityGW is the version of the S3 server that tests run against; `make test-s3` installs it.
const VersityGW = "v1.8.0"

// Keys of the S3 server's only user.
const (
	s3Key    = "rkd"
	s3Secret = "only-for-tests"
)

// Server is a running S3 server with one bucket.
type Server struct {
	Address string
	Dir     string // where objects lie as files
}

// URL is that of a folder in the bucket.
func (s *Server) URL(folder string) string { return S3URL(s.Address, folder) }

// S3 starts an S3 server on the loopback interface, which ends with the test, and sets the environment of its clients.
func S3(t testing.TB) *Server { return S3On(t, "127.0.0.1") }

// S3On is S3 on an address of this machine that others reach, too.
func S3On(t testing.TB, host string) *Server {
	t.Helper()
	address, dir := freeAddress(t, host), t.TempDir()
	s := &Server{Address: address, Dir: filepath.Join(dir, "test")}
	must(t, os.Mkdir(s.Dir, 0o755))
	var output bytes.Buffer
	server := exec.Command(filepath.Join(Tools(t), "versitygw-"+VersityGW, "versitygw"), "--access", s3Key,
		"--secret", s3Secret, "--port", address, "--quiet", "--health", "/health", "posix", dir)
	server.Stdout, server.Stderr = &output, &output
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatalf("starting an S3 server (make test-s3 installs it): %v", err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	for range 600 {
		if answer, err := http.Get("http://" + address + "/health"); err == nil {
			_ = answer.Body.Close()
			t.Setenv("AWS_ACCESS_KEY_ID", s3Key)
			t.Setenv("AWS_SECRET_ACCESS_KEY", s3Secret)
			t.Setenv("AWS_REGION", "us-east-1")
			return s
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("the S3 server does not answer: %s", output.String())
	return nil
}

// S3URL is the URL of a folder in the bucket of the server at an address, or of who stands between.
func S3URL(address, folder string) string {
	return fmt.Sprintf("s3://test/%s?endpoint=http://%s&use_path_style=true", folder, address)
}

// FreeAddress is one on the loopback interface that nobody listens on.
func FreeAddress(t testing.TB) string { return freeAddress(t, "127.0.0.1") }

func freeAddress(t testing.TB, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// Tools is the project's cache folder, where .ci/buckets installs servers.
func Tools(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("RKD_CACHE_DIR"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	must(t, err)
	return filepath.Join(dir, "rkd")
}
