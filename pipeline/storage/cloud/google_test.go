//go:build s3

package cloud

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"rkd/pipeline/storage/storagetest"
)

// TestS3GoogleStore runs the suite against fake-gcs-server, for Google publishes no server of its own.
func TestS3GoogleStore(t *testing.T) {
	address := storagetest.FreeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	serve(t, address, filepath.Join(storagetest.Tools(t), "fake-gcs-server-v1.56.1", "fake-gcs-server"), "-scheme", "http",
		"-host", host, "-port", port, "-public-host", address, "-backend", "memory", "-log-level", "error")
	t.Setenv("STORAGE_EMULATOR_HOST", address)
	answer, err := http.Post("http://"+address+"/storage/v1/b", "application/json", strings.NewReader(`{"name": "test"}`))
	must(t, err)
	must(t, answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("making a bucket: %s", answer.Status)
	}
	suite(t, func(n int) string { return fmt.Sprintf("gs://test/suite/%d", n) })
}
