// Package exchange reads and writes embeddings as other programs keep them: NumPy's files, CSV, Parquet, and the
// folders of clip-retrieval. It knows no cache, no data set and no model.
package exchange
