package cache

// The rows of a shard as parquet-go sees them. The lists are required, with required elements, in the three levels that
// the format prescribes.

// record and recordLogits are rows of float32, plain and uncompressed: what is read fastest, and can be mapped.
type record struct {
	ID        int64     `parquet:"id,plain"`
	View      int32     `parquet:"view,plain"`
	Label     int32     `parquet:"label,plain"`
	Class     string    `parquet:"class,dict"`
	Path      string    `parquet:"path,plain"`
	Content   [32]byte  `parquet:"content,plain"`
	Params    string    `parquet:"view_params,dict"`
	Embedding []float32 `parquet:"embedding,list"`
}

type recordLogits struct {
	ID        int64     `parquet:"id,plain"`
	View      int32     `parquet:"view,plain"`
	Label     int32     `parquet:"label,plain"`
	Class     string    `parquet:"class,dict"`
	Path      string    `parquet:"path,plain"`
	Content   [32]byte  `parquet:"content,plain"`
	Params    string    `parquet:"view_params,dict"`
	Embedding []float32 `parquet:"embedding,list"`
	Logits    []float32 `parquet:"logits,list"`
}

// packed is what rows of the smaller types begin with.
type packed struct {
	ID      int64    `parquet:"id,plain"`
	View    int32    `parquet:"view,plain,zstd"`
	Label   int32    `parquet:"label,plain,zstd"`
	Class   string   `parquet:"class,dict,zstd"`
	Path    string   `parquet:"path,plain,zstd"`
	Content [32]byte `parquet:"content,plain"`
	Params  string   `parquet:"view_params,dict,zstd"`
}

// recordPacked and recordPackedLogits are rows of float16 and bfloat16. The values are stored as float32, which every
// reader knows, with the bits that the type does not have as zeros; byte-stream split puts these next to each other,
// and zstd makes nothing of them.
type recordPacked struct {
	packed
	Embedding []float32 `parquet:"embedding,list" parquet-element:",split,zstd"`
}

type recordPackedLogits struct {
	packed
	Embedding []float32 `parquet:"embedding,list" parquet-element:",split,zstd"`
	Logits    []float32 `parquet:"logits,list" parquet-element:",split,zstd"`
}

// recordInt8 and recordInt8Logits are rows of int8. Parquet stores such as 32 bits each; a dictionary, of 255 entries
// at most, makes them 8.
type recordInt8 struct {
	packed
	Scale     float32 `parquet:"scale,plain"`
	Embedding []int8  `parquet:"embedding,list" parquet-element:",dict,zstd"`
}

type recordInt8Logits struct {
	packed
	Scale     float32   `parquet:"scale,plain"`
	Embedding []int8    `parquet:"embedding,list" parquet-element:",dict,zstd"`
	Logits    []float32 `parquet:"logits,list" parquet-element:",split,zstd"`
}
