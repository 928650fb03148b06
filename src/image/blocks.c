/*
 * blocks.c - the blocks of one ext2 inode, in the order in which they are laid out
 */
#include "image/blocks.h"

/* Blocks that the size spans, holes included. */
static uint64_t blocks_of_size(const struct inode *i)
{
	if (i->kind == INODE_LINK && i->size <= BLOCK_FAST_LINK_MAX)
		return 0; /* the target stands in place of the pointers */
	return (i->size + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

/* First run that ends behind block @first. */
static size_t find_run(const struct inode *i, uint64_t first)
{
	size_t low = 0, high = i->n_runs;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if ((uint64_t)i->runs[mid].first + i->runs[mid].count <= first)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint64_t blocks_data(const struct inode *i, uint64_t first, uint64_t n)
{
	uint64_t end = MIN(first + n, blocks_of_size(i)), sum = 0;

	if (first >= end)
		return 0;
	if (!i->scanned)
		return end - first;
	for (size_t k = find_run(i, first); k < i->n_runs && i->runs[k].first < end; k++) {
		uint64_t from = MAX((uint64_t)i->runs[k].first, first);
		uint64_t to = MIN((uint64_t)i->runs[k].first + i->runs[k].count, end);

		sum += to - from;
	}
	return sum;
}

uint64_t blocks_span(unsigned level)
{
	uint64_t n = 1;

	while (level-- > 0)
		n *= BLOCK_POINTERS;
	return n;
}

uint64_t blocks_tree(const struct inode *i, unsigned level, uint64_t first)
{
	uint64_t data = blocks_data(i, first, blocks_span(level)), sum = data;

	if (level == 0 || data == 0)
		return data;
	if (level == 1)
		return data + 1;
	sum = 1;
	for (unsigned k = 0; k < BLOCK_POINTERS; k++)
		sum += blocks_tree(i, level - 1, first + k * blocks_span(level - 1));
	return sum;
}

uint64_t blocks_total(const struct inode *i)
{
	uint64_t first = BLOCK_DIRECT, sum = blocks_data(i, 0, BLOCK_DIRECT);

	for (unsigned level = 1; level <= BLOCK_LEVELS; level++) {
		sum += blocks_tree(i, level, first);
		first += blocks_span(level);
	}
	return sum;
}

/* The data of blocks @first to @first + @n, run by run. */
static int each_data(const struct inode *i, uint64_t first, uint64_t n, block_fn fn, void *arg)
{
	uint64_t end = MIN(first + n, blocks_of_size(i));
	struct block_piece piece = { .first = first };
	int r = 0;

	if (first >= end)
		return 0;
	if (!i->scanned) {
		piece.count = (uint32_t)(end - first);
		return fn(arg, &piece);
	}
	for (size_t k = find_run(i, first); r == 0 && k < i->n_runs && i->runs[k].first < end;
	     k++) {
		piece.first = MAX((uint64_t)i->runs[k].first, first);
		piece.count = (uint32_t)(MIN((uint64_t)i->runs[k].first + i->runs[k].count, end) -
					 piece.first);
		r = fn(arg, &piece);
	}
	return r;
}

static int each_tree(const struct inode *i, unsigned level, uint64_t first, block_fn fn, void *arg)
{
	struct block_piece piece = { .level = level, .first = first, .count = 1 };
	int r;

	if (level == 0)
		return each_data(i, first, 1, fn, arg);
	if (blocks_data(i, first, blocks_span(level)) == 0)
		return 0;
	r = fn(arg, &piece);
	if (r == 0 && level == 1)
		return each_data(i, first, BLOCK_POINTERS, fn, arg);
	for (unsigned k = 0; r == 0 && k < BLOCK_POINTERS; k++)
		r = each_tree(i, level - 1, first + k * blocks_span(level - 1), fn, arg);
	return r;
}

int blocks_each(const struct inode *i, block_fn fn, void *arg)
{
	uint64_t first = BLOCK_DIRECT;
	int r = each_data(i, 0, BLOCK_DIRECT, fn, arg);

	for (unsigned level = 1; r == 0 && level <= BLOCK_LEVELS; level++) {
		r = each_tree(i, level, first, fn, arg);
		first += blocks_span(level);
	}
	return r;
}
