//go:build s3

package cloud

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"rkd/pipeline/storage"
	"rkd/pipeline/storage/storagetest"
)

// serve starts a server that make test-s3 has installed, which ends with the test, and waits until it answers.
func serve(t *testing.T, address string, name string, args ...string) {
	t.Helper()
	var output bytes.Buffer
	server := exec.Command(name, args...)
	server.Stdout, server.Stderr = &output, &output
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatalf("make test-s3 installs it: %v", err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	for range 600 {
		if c, err := net.Dial("tcp", address); err == nil {
			must(t, c.Close())
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s does not answer: %s", name, output.String())
}

func suite(t *testing.T, folder func(n int) string) {
	n := 0
	storagetest.Run(t, 20, func(*testing.T) func() storage.Store {
		n++
		location := folder(n)
		return func() storage.Store { return storage.At(location) }
	})
	s := storage.At(folder(0))
	must(t, s.Create(t.Context(), "large", write))
	data, err := storage.ReadFile(t.Context(), s, "large", 1<<30)
	if err != nil || string(data) != large {
		t.Errorf("a large object: %d bytes, %v", len(data), err)
	}
}

// TestS3AzureStore runs the suite against Azurite, Microsoft's emulator.
func TestS3AzureStore(t *testing.T) {
	address := storagetest.FreeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	main := "azurite-3.35.0/node_modules/azurite/dist/src/blob/main.js"
	serve(t, address, "node", filepath.Join(storagetest.Tools(t), main),
		"--blobHost", host, "--blobPort", port, "--location", t.TempDir(), "--silent", "--skipApiVersionCheck",
		"--disableTelemetry")
	// Azurite's only account, which its documentation names.
	t.Setenv("AZURE_STORAGE_ACCOUNT", "devstoreaccount1")
	t.Setenv("AZURE_STORAGE_KEY",
		"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
	location := func(n int) string {
		return fmt.Sprintf("azblob://test/suite/%d?localemu=true&protocol=http&domain=%s", n, address)
	}
	createContainer(t, address)
	suite(t, location)
}

// createContainer makes the container "test".
func createContainer(t *testing.T, address string) {
	t.Helper()
	account := os.Getenv("AZURE_STORAGE_ACCOUNT")
	credential, err := azblob.NewSharedKeyCredential(account, os.Getenv("AZURE_STORAGE_KEY"))
	must(t, err)
	client, err := azblob.NewClientWithSharedKeyCredential("http://"+address+"/"+account, credential, nil)
	must(t, err)
	_, err = client.CreateContainer(t.Context(), "test", nil)
	must(t, err)
}
