// A library with ONNX Runtime's entry and a version of choice, that offers no version of the interface. VERSION is a
// string; without it the library has no entry at all.
#include <stdint.h>
#include <stddef.h>
#ifdef VERSION
static const void *get_api(uint32_t version) { (void)version; return NULL; }
static const char *get_version(void) { return VERSION; }
static const struct { const void *(*api)(uint32_t); const char *(*version)(void); } base = {get_api, get_version};
const void *OrtGetApiBase(void) { return &base; }
#else
int something_else(void) { return 1; }
#endif
