// Command image writes a container image without Docker: the program, ONNX Runtime's library, all that the two link to,
// a shell for prologues, and the certificates of this machine. It is a docker-archive, which "docker load", "ctr images
// import" and "crane push" take; the same files give the same bytes.
package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	program = "/usr/local/bin/rkd"
	library = "/usr/local/lib/libonnxruntime.so.1"
	user    = 65532
)

func main() {
	rkd := flag.String("program", "bin/rkd", "the program")
	out := flag.String("out", "bin/rkd-image.tar", "the image")
	tag := flag.String("tag", "", "what it is called; default rkd:VERSION")
	flag.Parse()
	if err := run(*rkd, *out, *tag); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(rkd, out, tag string) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("an image holds programs for Linux, and this is %s: use .ci/image/Dockerfile", runtime.GOOS)
	}
	about, err := describe(rkd)
	if err != nil {
		return err
	}
	if tag == "" {
		tag = "rkd:" + notInTags.ReplaceAllString(about.Version, "-")
	}
	ref, err := name.NewTag(tag)
	if err != nil {
		return err
	}
	c := contents{files: map[string]file{}}
	if err := c.collect(rkd, about.Library); err != nil {
		return err
	}
	img, err := c.image(about.Version)
	if err != nil {
		return err
	}
	whole := out + ".part"
	if err := tarball.WriteToFile(whole, ref, img); err != nil {
		return err
	}
	if err := os.Rename(whole, out); err != nil {
		return err
	}
	digest, err := img.Digest()
	fmt.Printf("%s: %s, %s\n", out, tag, digest)
	return err
}

var notInTags = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// description is what the program says of itself.
type description struct {
	Version string `json:"version"`
	Library string `json:"onnxruntime_library"`
}

func describe(rkd string) (d description, err error) {
	text, err := exec.Command(rkd, "doctor", "--json").Output()
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return d, fmt.Errorf("asking %q for its library: %w", rkd, err)
	}
	if d.Library == "" {
		return d, fmt.Errorf("%q finds no ONNX Runtime library: run make setup", rkd)
	}
	return d, nil
}

// contents are the files of an image by their absolute paths.
type contents struct {
	files map[string]file
}

type file struct {
	data []byte
	mode int64
}

// collect takes what belongs into the image from this machine.
func (c *contents) collect(rkd, ort string) error {
	for _, f := range []struct{ from, to string }{{rkd, program}, {ort, library}, {"/bin/sh", "/bin/sh"}} {
		if err := c.add(f.from, f.to, 0o755); err != nil {
			return err
		}
		if err := c.addLinked(f.from); err != nil {
			return err
		}
	}
	const certificates = "/etc/ssl/certs/ca-certificates.crt"
	if err := c.add(certificates, certificates, 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	users := fmt.Appendf(nil, "root:x:0:0:root:/:/bin/sh\nrkd:x:%d:%d:rkd:/tmp:/bin/sh\n", user, user)
	c.files["/etc/passwd"] = file{users, 0o644}
	c.files["/etc/group"] = file{fmt.Appendf(nil, "root:x:0:\nrkd:x:%d:\n", user), 0o644}
	return nil
}

func (c *contents) add(from, to string, mode int64) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	c.files[to] = file{data, mode}
	return nil
}

// linked matches a line of ldd: "libm.so.6 => /lib/libm.so.6 (0x…)", or the loader's, "/lib64/ld.so (0x…)".
var linked = regexp.MustCompile(`(?m)^\s*(?:\S+ => )?(/\S+) \(0x`)

// addLinked adds the loader of a program and the libraries that it loads, and those that they load.
func (c *contents) addLinked(from string) error {
	text, err := exec.Command("ldd", from).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ldd %s: %w: %s", from, err, bytes.TrimSpace(text))
	}
	if bytes.Contains(text, []byte("not found")) {
		return fmt.Errorf("ldd %s finds not all of what it links to:\n%s", from, text)
	}
	for _, m := range linked.FindAllSubmatch(text, -1) {
		lib := string(m[1])
		if _, known := c.files[lib]; known || filepath.Clean(lib) == filepath.Clean(from) {
			continue
		}
		if err := c.add(lib, lib, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// layer is the files and their folders as a tar of which nothing depends on this machine or the time.
func (c *contents) layer() ([]byte, error) {
	dirs := map[string]int64{"/tmp": 0o1777, "/data": 0o755}
	for name := range c.files {
		for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
			dirs[dir] = 0o755
		}
	}
	var headers []*tar.Header
	for dir, mode := range dirs {
		headers = append(headers, &tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: mode})
	}
	for name, f := range c.files {
		headers = append(headers, &tar.Header{Name: name[1:], Mode: f.mode, Size: int64(len(f.data))})
	}
	slices.SortFunc(headers, func(a, b *tar.Header) int { return cmp.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		h.ModTime, h.Format = time.Unix(0, 0), tar.FormatUSTAR
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(c.files["/"+h.Name].data); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), w.Close()
}

func (c *contents) image(version string) (v1.Image, error) {
	data, err := c.layer()
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	})
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	made, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := made.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", runtime.GOARCH, v1.Time{Time: time.Unix(0, 0)}
	config.Config = v1.Config{
		Entrypoint: []string{program}, WorkingDir: "/data", User: fmt.Sprintf("%d:%d", user, user),
		Env: []string{
			"PATH=" + strings.Join([]string{path.Dir(program), "/usr/bin", "/bin"}, ":"),
			"ONNXRUNTIME_LIB=" + library, "HOME=/tmp",
		},
		Labels: map[string]string{"org.opencontainers.image.version": version},
	}
	return mutate.ConfigFile(img, config)
}
