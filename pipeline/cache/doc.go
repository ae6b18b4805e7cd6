// Package cache holds teacher embeddings on disk: Parquet shards and a manifest, the contract between teacher and
// student. Writer makes a cache, resumes one that was interrupted, lets one grow and never leaves half a file under a
// final name; Cache reads one. What embeds, what a data set is and where the numbers go next are the business of the
// stages above: this package sees rows, and a Key that says what the rows came from. Store is its one door to storage.
//
//	DIR/PLAN.json                       created before anything else, exclusively: whose folder this is, and what is to
//	                                    be in it; PLAN-2.json and so on where the cache has grown
//	DIR/plan-HASH.samples               the samples of a plan, a Parquet file
//	DIR/manifest.json                   written last and atomically; nothing without it is a cache
//	DIR/plan-HASH.index                 of a cache that has grown: in which shard each row lies, a Parquet file
//	DIR/shard-00000-of-00004.parquet    columns id INT64, view INT32, label INT32, class, path, content, view_params,
//	                                    embedding LIST<FLOAT>, and logits LIST<FLOAT> when the teacher has them
//	DIR/README.md                       what it is, for people and the Hugging Face datasets library
//	DIR/shard-….part                    rows of a shard that is not finished yet
//
// Rows are ordered by id, then view. A shard's bytes are a function of the plan, the shard's index and its rows alone:
// neither threads nor batch sizes nor interruptions change them.
package cache
