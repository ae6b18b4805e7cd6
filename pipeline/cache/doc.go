// Package cache holds teacher embeddings on disk: Parquet shards and a manifest, the contract between teacher and
// student. Writer makes a cache, resumes one that was interrupted and never leaves half a file under a final name;
// Cache reads one. What embeds, what a data set is and where the numbers go next are the business of the stages above:
// this package sees rows, and a Key that says what the rows came from.
//
//	DIR/manifest.json                   written last and atomically; nothing without it is a cache
//	DIR/shard-00000-of-00004.parquet    columns id INT64, view INT32, label INT32, embedding LIST<FLOAT>, and
//	                                    logits LIST<FLOAT> when the teacher has them
//
// Rows are ordered by id, then view. A shard's bytes are a function of the plan, the shard's index and its rows alone:
// neither threads nor batch sizes nor interruptions change them.
package cache
