package storage

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// ErrLocation reports a location that is neither a path nor a URL of a known kind.
var ErrLocation = errors.New("invalid location")

var urlPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// IsRemote tells whether a location is in a bucket: a URL of any scheme but file.
func IsRemote(location string) bool {
	return urlPattern.MatchString(location) && !strings.HasPrefix(location, "file://")
}

// Clean returns a location in the form that Join and At take: file URLs become paths. A URL that cannot be parsed is
// ErrLocation.
func Clean(location string) (string, error) {
	if !urlPattern.MatchString(location) {
		return location, nil
	}
	u, err := url.Parse(location)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrLocation, err)
	case u.User != nil:
		return "", fmt.Errorf("%w %q: credentials do not belong in it, the cloud's own environment variables hold them",
			ErrLocation, u.Redacted())
	case u.Fragment != "":
		return "", fmt.Errorf("%w %q: a # in it, write %%23", ErrLocation, location)
	case u.Scheme != "file" && u.Host == "":
		return "", fmt.Errorf("%w %q: no bucket, expected %s://BUCKET/PREFIX", ErrLocation, location, u.Scheme)
	case u.Scheme != "file":
		return location, nil
	case u.Host != "" && u.Host != "localhost" || u.Path == "" || u.RawQuery != "":
		return "", fmt.Errorf("%w %q: expected file:///PATH", ErrLocation, location)
	}
	return filepath.FromSlash(u.Path), nil
}

// Join returns the location of a file or folder inside of another location. The parameters of a URL stay.
func Join(location string, elements ...string) string {
	if !IsRemote(location) {
		return filepath.Join(append([]string{location}, elements...)...)
	}
	before, parameters, found := strings.Cut(location, "?")
	for _, e := range elements {
		before = strings.TrimRight(before, "/") + "/" + (&url.URL{Path: strings.Trim(filepath.ToSlash(e), "/")}).EscapedPath()
	}
	if found {
		before += "?" + parameters
	}
	return before
}

// Split returns the location of the folder that a file or folder lies in, and its name there.
func Split(location string) (folder, name string) {
	if !IsRemote(location) {
		return filepath.Dir(location), filepath.Base(location)
	}
	u, err := url.Parse(location)
	if err != nil {
		return location, ""
	}
	name = path.Base(u.Path)
	u.Path, u.RawPath = path.Dir(strings.TrimRight(u.Path, "/")), ""
	if name == "/" || name == "." {
		return location, ""
	}
	return u.String(), name
}

// bucketOf splits a URL into that of the bucket and the prefix of its objects, which is empty or ends with a slash.
func bucketOf(location string) (bucket, prefix string, err error) {
	if _, err := Clean(location); err != nil {
		return "", "", err
	}
	u, err := url.Parse(location)
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrLocation, err)
	}
	prefix = strings.Trim(path.Clean("/"+u.Path), "/")
	if prefix != "" {
		prefix += "/"
	}
	u.Path, u.RawPath = "", ""
	return u.String(), prefix, nil
}
