// Package verdict says in words how a training went, where its history allows that, and what to try next. It judges
// numbers and knows no files.
package verdict
