package ort

/*
#cgo linux LDFLAGS: -ldl
#include <stdint.h>
#include <stdlib.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

// The library's one exported entry, as its C interface documents it.
typedef struct {
	const void *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} rkd_base;
typedef const rkd_base *(*rkd_get_base)(void);

// rkd_open loads a library; on failure it returns NULL and sets *why where the system says more.
static const rkd_base *rkd_open(const char *path, const char **why) {
	rkd_get_base get = NULL;
	*why = NULL;
#ifdef _WIN32
	HMODULE lib = LoadLibraryA(path);
	if (lib) get = (rkd_get_base)(void *)GetProcAddress(lib, "OrtGetApiBase");
#else
	void *lib = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (lib) get = (rkd_get_base)dlsym(lib, "OrtGetApiBase");
	if (!get) *why = dlerror();
#endif
	return get ? get() : NULL;
}

static const char *rkd_version(const rkd_base *base) { return base->get_version(); }

// The API is a table of functions that only ever grows. These are the indices of those that list the execution
// providers, which the Go binding does not offer; functions return NULL on success.
enum { GET_PROVIDERS = 125, RELEASE_PROVIDERS = 126, RELEASE_STATUS = 93 };

static int rkd_providers(const rkd_base *base, uint32_t version, char ***names, int *n) {
	void *const *api = base->get_api(version);
	if (!api) return 1;
	void *status = ((void *(*)(char ***, int *))api[GET_PROVIDERS])(names, n);
	if (!status) return 0;
	((void (*)(void *))api[RELEASE_STATUS])(status);
	return 1;
}

static void rkd_release_providers(const rkd_base *base, uint32_t version, char **names, int n) {
	void *const *api = base->get_api(version);
	((void *(*)(char **, int))api[RELEASE_PROVIDERS])(names, n);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// apiVersion is the version of the C interface that the binding speaks: an ONNX Runtime 1.x offers all up to x.
const apiVersion = 24

// library is a loaded shared library. It stays loaded as long as the process: the runtime's threads live in it.
type library struct {
	base    *C.rkd_base
	version string
}

// openLibrary loads the file at path and reads its version, which even old libraries report.
func openLibrary(path string) (library, error) {
	runtime.LockOSThread() // the loader's message belongs to the thread
	defer runtime.UnlockOSThread()
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var why *C.char
	base := C.rkd_open(cPath, &why)
	if base == nil {
		if why != nil {
			return library{}, errors.New(oneLine(C.GoString(why)))
		}
		return library{}, errors.New("it does not load, or has no function OrtGetApiBase")
	}
	return library{base, C.GoString(C.rkd_version(base))}, nil
}

// providers lists the execution providers that the library was built with.
func (l library) providers() ([]string, error) {
	var names **C.char
	var n C.int
	if C.rkd_providers(l.base, apiVersion, &names, &n) != 0 {
		return nil, fmt.Errorf("ONNX Runtime %s does not list its execution providers", l.version)
	}
	defer C.rkd_release_providers(l.base, apiVersion, names, n)
	var list []string
	for _, name := range unsafe.Slice(names, int(n)) {
		list = append(list, C.GoString(name))
	}
	return list, nil
}
