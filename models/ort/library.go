package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Version is the version of ONNX Runtime that `make setup` installs, in folder onnxruntime-<Version> of the cache
// folder.
const Version = "1.30.0"

// EnvLibrary is the environment variable that names the library's file.
const EnvLibrary = "ONNXRUNTIME_LIB"

// ErrLibraryMissing is wrapped by errors about a library that is not there or is none.
var ErrLibraryMissing = errors.New("no usable ONNX Runtime library: run `make setup`, or name one with " +
	"--onnxruntime-lib or $" + EnvLibrary)

// CacheDir is the project's cache folder, where `make setup` puts the library and MNIST: $RKD_CACHE_DIR, or rkd in the
// user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("RKD_CACHE_DIR"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder (set RKD_CACHE_DIR): %w", err)
	}
	return filepath.Join(dir, "rkd"), nil
}

// Find returns the path of ONNX Runtime's library. It looks, in this order, at explicit, at $ONNXRUNTIME_LIB, in the
// project's cacheDir, where `make setup` puts it, and in the system's library folders. The first two are taken at their
// word: when the file they name is not there, that is an error and nothing else is tried.
//
// Errors wrap ErrLibraryMissing.
func Find(explicit, cacheDir string) (string, error) {
	return find(explicit, os.Getenv(EnvLibrary), cacheDir, systemFolders())
}

func find(explicit, env, cacheDir string, folders []string) (string, error) {
	if explicit != "" {
		return named("--onnxruntime-lib", explicit)
	}
	if env != "" {
		return named("$"+EnvLibrary, env)
	}
	names := libraryNames()
	path := filepath.Join(cacheDir, "onnxruntime-"+Version, names[0])
	if isFile(path) {
		return path, nil
	}
	for _, folder := range folders {
		for _, name := range names {
			if path := filepath.Join(folder, name); isFile(path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%w (it is neither in %q nor in the system's library folders)", ErrLibraryMissing,
		filepath.Dir(path))
}

func named(origin, path string) (string, error) {
	if !isFile(path) {
		return "", fmt.Errorf("%w (%s is %q, which is no file)", ErrLibraryMissing, origin, path)
	}
	return path, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// libraryNames are the names of the library's file, that of `make setup` first.
func libraryNames() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"onnxruntime.dll"}
	case "darwin":
		return []string{"libonnxruntime.1.dylib", "libonnxruntime.dylib"}
	}
	return []string{"libonnxruntime.so.1", "libonnxruntime.so"}
}

// systemFolders are the folders in which the system's loader looks: those of the loader's variable, of its
// configuration, and the usual ones.
func systemFolders() []string {
	variable := "LD_LIBRARY_PATH"
	usual := []string{"/usr/local/lib", "/usr/lib", "/usr/lib64", "/lib"}
	switch runtime.GOOS {
	case "windows":
		variable, usual = "PATH", nil
	case "darwin":
		variable, usual = "DYLD_LIBRARY_PATH", []string{"/opt/homebrew/lib", "/usr/local/lib", "/usr/lib"}
	}
	var folders []string
	for _, folder := range filepath.SplitList(os.Getenv(variable)) {
		if filepath.IsAbs(folder) {
			folders = append(folders, folder)
		}
	}
	if runtime.GOOS == "linux" {
		folders = slices.Concat(folders, loaderFolders("/etc/ld.so.conf.d"))
	}
	return append(folders, usual...)
}

// loaderFolders reads the folders that the files of the loader's configuration list, one a line. A file that cannot be
// read only means that its folders are not searched.
func loaderFolders(dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, "*.conf"))
	if err != nil {
		return nil
	}
	var folders []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); filepath.IsAbs(line) {
				folders = append(folders, line)
			}
		}
	}
	return folders
}
