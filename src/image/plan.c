/*
 * plan.c - the exact geometry of an ext2 image, before a byte of it is written
 *
 * One pass counts, one solves for the smallest number of groups, one gives every inode its
 * pointers. Nothing is tried out: what a group spends on itself follows from the number of groups,
 * and grows with it.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "image/ext2.h"
#include "image/ext2_xattr.h"
#include "image/plan.h"
#include "image/scan.h"

/* A node with its inode in a log line. */
static int fail(int err, const struct node *n, const char *what)
{
	_cleanup_free_ char *path = tree_path(n);

	return log_err(err, "'%s': %s", path ? path : n->name, what);
}

static bool is_power_of(uint32_t n, uint32_t base)
{
	while (n > 1 && n % base == 0)
		n /= base;
	return n == 1;
}

bool plan_has_super(uint32_t g)
{
	return g <= 1 || is_power_of(g, 3) || is_power_of(g, 5) || is_power_of(g, 7);
}

uint32_t plan_group_meta(const struct plan *p, uint32_t g)
{
	return (plan_has_super(g) ? 1 + p->descriptor_blocks : 0) + 2 + p->table_blocks;
}

uint32_t plan_group_first(const struct plan *p, uint32_t g)
{
	return PLAN_FIRST_BLOCK + g * p->group_blocks;
}

uint32_t plan_group_size(const struct plan *p, uint32_t g)
{
	return MIN(p->blocks - plan_group_first(p, g), p->group_blocks);
}

uint64_t plan_bytes(const struct plan *p)
{
	return (uint64_t)p->blocks * BLOCK_BYTES;
}

/* At the start of a group, pass over the group's own blocks. */
static void skip_meta(struct plan_cursor *c)
{
	uint32_t into = c->next - PLAN_FIRST_BLOCK;

	if (into % c->plan->group_blocks == 0)
		c->next += plan_group_meta(c->plan, into / c->plan->group_blocks);
}

uint32_t plan_cursor_take(struct plan_cursor *c)
{
	skip_meta(c);
	return c->next++;
}

void plan_cursor_skip(struct plan_cursor *c, uint64_t n)
{
	while (n > 0) {
		uint32_t room, k;

		skip_meta(c);
		room = c->plan->group_blocks - (c->next - PLAN_FIRST_BLOCK) % c->plan->group_blocks;
		k = (uint32_t)MIN(n, (uint64_t)room);
		c->next += k;
		n -= k;
	}
}

/* Give the inode's extended attributes a block, one that there is if it has the same. */
static int measure_xattrs(struct plan *p, const struct node *n)
{
	struct inode *i = n->inode;
	uint8_t block[BLOCK_BYTES] = { 0 };
	struct plan_xattr *more;
	int r = ext2_xattr_put(i, block);

	if (r == -E2BIG)
		return fail(r, n, "its extended attributes do not fit into a block of 1024 bytes");
	if (r < 0)
		return fail(r, n, "its extended attributes cannot be kept");
	for (uint32_t k = p->n_xattrs; k > 0 && p->n_xattrs - k < PLAN_XATTR_LOOK; k--) {
		if (p->xattrs[k - 1].refs < EXT2_XATTR_REFS_MAX &&
		    !memcmp(p->xattrs[k - 1].block, block, sizeof(block))) {
			p->xattrs[k - 1].refs++;
			i->xattr_block = k;
			return 0;
		}
	}
	more = realloc(p->xattrs, (p->n_xattrs + 1) * sizeof(*more));
	p->xattrs = more ? more : p->xattrs;
	if (!more || !(more[p->n_xattrs].block = malloc(BLOCK_BYTES)))
		return log_err(-ENOMEM, "cannot plan the image");
	memcpy(more[p->n_xattrs].block, block, BLOCK_BYTES);
	more[p->n_xattrs++].refs = 1;
	i->xattr_block = p->n_xattrs;
	p->used_blocks++;
	return 0;
}

/* Look at one inode: its size in blocks, and whether ext2 can hold it. */
static int measure(struct plan *p, const struct node *n)
{
	struct inode *i = n->inode;
	uint64_t blocks;
	int r = 0;

	switch (i->kind) {
	case INODE_DIR:
		i->size = ext2_folder_bytes(n);
		break;
	case INODE_FILE:
		p->large_file |= i->size >> 31 != 0;
		break;
	case INODE_LINK:
		if (i->size == 0 || i->size > PLAN_LINK_MAX)
			return fail(-ENAMETOOLONG, n, "a symlink's target has 1 to 1023 bytes");
		break;
	default:
		break;
	}
	i->xattr_block = 0;
	if (r == 0 && i->n_xattrs > 0)
		r = measure_xattrs(p, n);
	if (r < 0)
		return r;
	if (i->links > PLAN_LINKS_MAX)
		return fail(-EMLINK, n,
			    "ext2 allows 65000 links to a file and subfolders of a folder");
	blocks = blocks_total(i);
	if (blocks > PLAN_BLOCKS_MAX || p->used_blocks + blocks > PLAN_BLOCKS_MAX)
		return fail(-EFBIG, n, "the image would be larger than 1 TiB");
	p->used_blocks += (uint32_t)blocks;
	p->pointer_blocks += (uint32_t)(blocks - blocks_data(i, 0, BLOCKS_FILE_MAX));
	p->folder_blocks += i->kind == INODE_DIR ? (uint32_t)(i->size / BLOCK_BYTES) : 0;
	return 0;
}

/* Before hours are spent on reading. */
static int check_sizes(const struct tree *t)
{
	for (const struct node *n = tree_root(t); n; n = tree_next(n)) {
		if (n->inode->kind == INODE_FILE && n->inode->size > BLOCKS_FILE_MAX * BLOCK_BYTES)
			return fail(-EFBIG, n,
				    "the file is larger than the 16 GiB that ext2 holds in a file");
	}
	return 0;
}

/* Number the inodes and count their blocks. */
static int count(struct tree *t, struct plan *p)
{
	int r = 0;

	p->used_inodes = PLAN_INODES_RESERVED;
	for (struct node *n = tree_root(t); n; n = tree_next(n))
		n->inode->number = 0;
	for (struct node *n = tree_root(t); r == 0 && n; n = tree_next(n)) {
		if (n->inode->number)
			continue;
		n->inode->number = n->parent ? ++p->used_inodes : PLAN_INODE_ROOT;
		r = measure(p, n);
	}
	return r;
}

/* Blocks that all groups spend on themselves when there are @groups. */
static uint64_t meta_of(struct plan *p, uint32_t groups, uint64_t inodes)
{
	uint64_t tables = (inodes + PLAN_BLOCK_INODES - 1) / PLAN_BLOCK_INODES,
		 sum = PLAN_FIRST_BLOCK;
	uint64_t each = (tables + groups - 1) / groups;

	p->groups = groups;
	p->table_blocks = (uint32_t)MIN(each, (uint64_t)UINT32_MAX);
	p->descriptor_blocks = (groups * PLAN_DESCRIPTOR_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES;
	for (uint32_t g = 0; g < groups; g++)
		sum += plan_group_meta(p, g);
	return sum;
}

/* Blocks with which the last of the groups just has its own and one more. */
static uint64_t least_of(const struct plan *p)
{
	return (uint64_t)plan_group_first(p, p->groups - 1) + plan_group_meta(p, p->groups - 1) + 1;
}

/*
 * Divide @all blocks into the groups. Where full groups would leave none for the last one (many
 * inodes and little data, or a few blocks too many for one group less), all groups are made
 * smaller, rather than the image larger.
 */
static uint64_t divide(struct plan *p, uint64_t all)
{
	uint64_t each = (all - PLAN_FIRST_BLOCK + p->groups - 1) / p->groups;

	p->group_blocks = PLAN_GROUP_BLOCKS;
	if (all >= least_of(p))
		return all;
	each = MAX(each, (uint64_t)plan_group_meta(p, 0) +
				 1); /* the first has as much of its own as any */
	p->group_blocks =
		(uint32_t)((each + PLAN_GROUP_ALIGN - 1) / PLAN_GROUP_ALIGN * PLAN_GROUP_ALIGN);
	return MAX(all, least_of(p));
}

/* The smallest number of groups whose bitmaps hold all blocks and all inodes. */
static int solve(struct plan *p)
{
	uint64_t inodes = p->used_inodes + p->spec.free_inodes;
	uint64_t files = p->used_blocks + (p->spec.free_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	uint64_t first = MAX(1 + files / PLAN_GROUP_BLOCKS, 1 + (inodes - 1) / PLAN_GROUP_INODES);

	for (uint64_t groups = first; groups <= PLAN_BLOCKS_MAX / PLAN_GROUP_BLOCKS; groups++) {
		uint64_t meta = meta_of(p, (uint32_t)groups, inodes), all = meta + files;

		if (p->table_blocks * PLAN_BLOCK_INODES > PLAN_GROUP_INODES ||
		    all > PLAN_FIRST_BLOCK + groups * PLAN_GROUP_BLOCKS)
			continue;
		all = divide(p, all);
		if (all > PLAN_BLOCKS_MAX)
			break;
		p->blocks = (uint32_t)all;
		p->meta_blocks = (uint32_t)meta;
		p->free_blocks = (uint32_t)(all - meta - p->used_blocks);
		p->group_inodes = p->table_blocks * PLAN_BLOCK_INODES;
		return 0;
	}
	return log_err(-EFBIG, "the image would be larger than 1 TiB");
}

/* What place() hands to the pieces of one inode. */
struct placing {
	struct plan_cursor *cursor;
	struct plan_inode *inode;
};

static int place_piece(void *arg, const struct block_piece *piece)
{
	struct placing *x = arg;
	uint32_t *slots = x->inode->slots;
	uint64_t first = BLOCK_DIRECT;

	if (piece->level == 0) {
		uint32_t k = 0;

		for (; k < piece->count && piece->first + k < BLOCK_DIRECT; k++)
			slots[piece->first + k] = plan_cursor_take(x->cursor);
		plan_cursor_skip(x->cursor, piece->count - k);
		return 0;
	}
	for (unsigned level = 1; level < piece->level; level++)
		first += blocks_span(level);
	if (piece->first == first)
		slots[BLOCK_DIRECT + piece->level - 1] = plan_cursor_take(x->cursor);
	else
		plan_cursor_skip(x->cursor, 1);
	return 0;
}

/* Give each inode its first pointers. */
static int place(const struct tree *t, struct plan *p)
{
	struct plan_cursor cursor = PLAN_CURSOR(p);
	int r = 0;

	p->inodes = calloc(p->used_inodes, sizeof(*p->inodes));
	if (!p->inodes)
		return log_err(-ENOMEM, "cannot plan the image");
	for (uint32_t k = 0; k < p->n_xattrs; k++) {
		p->xattrs[k].at = plan_cursor_take(&cursor);
		ext2_xattr_put_refs(p->xattrs[k].block, p->xattrs[k].refs);
	}
	for (const struct node *n = tree_root(t); r == 0 && n; n = tree_next(n)) {
		struct plan_inode *i = &p->inodes[n->inode->number - 1];
		struct placing x = { .cursor = &cursor, .inode = i };

		if (i->node)
			continue;
		i->node = n;
		i->blocks = (uint32_t)blocks_total(n->inode);
		r = blocks_each(n->inode, place_piece, &x);
	}
	return r;
}

static void hash_u64(crypto_generichash_state *h, uint64_t v)
{
	uint8_t b[8];

	for (unsigned i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	crypto_generichash_update(h, b, sizeof(b));
}

static void hash_node(crypto_generichash_state *h, const struct node *n)
{
	const struct inode *i = n->inode;

	hash_u64(h, n->parent ? n->parent->inode->number : 0);
	crypto_generichash_update(h, (const uint8_t *)n->name, strlen(n->name) + 1);
	hash_u64(h, i->number);
	hash_u64(h, i->kind);
	hash_u64(h, (uint64_t)i->mode << 32 | i->uid);
	hash_u64(h, i->gid);
	hash_u64(h, i->size);
	hash_u64(h, (uint64_t)i->major << 32 | i->minor);
	for (size_t k = 0; k < i->n_xattrs; k++) {
		crypto_generichash_update(h, (const uint8_t *)i->xattrs[k].name,
					  strlen(i->xattrs[k].name) + 1);
		hash_u64(h, i->xattrs[k].bytes);
		crypto_generichash_update(h, i->xattrs[k].value, i->xattrs[k].bytes);
	}
	if (i->target)
		crypto_generichash_update(h, (const uint8_t *)i->target, strlen(i->target));
	for (size_t k = 0; k < i->n_runs; k++)
		hash_u64(h, (uint64_t)i->runs[k].first << 32 | i->runs[k].count);
}

/*
 * UUID and hash seed from the plan: names, kinds, owners, sizes and holes. Hashing the data as well
 * would mean to read all of it twice, and would tell images apart that the index tells apart
 * already.
 */
static void identify(const struct tree *t, struct plan *p)
{
	crypto_generichash_state h;
	uint8_t sum[2 * PLAN_UUID_BYTES];

	crypto_generichash_init(&h, NULL, 0, sizeof(sum));
	hash_u64(&h, p->blocks);
	hash_u64(&h, p->group_inodes);
	hash_u64(&h, p->group_blocks);
	hash_u64(&h, (uint64_t)p->spec.time_s);
	if (p->spec.label)
		crypto_generichash_update(&h, (const uint8_t *)p->spec.label,
					  strlen(p->spec.label));
	for (const struct node *n = tree_root(t); n; n = tree_next(n))
		hash_node(&h, n);
	crypto_generichash_final(&h, sum, sizeof(sum));
	memcpy(p->uuid, sum, sizeof(p->uuid));
	memcpy(p->hash_seed, sum + sizeof(p->uuid), sizeof(p->hash_seed));
	p->uuid[6] =
		(uint8_t)((p->uuid[6] & 0x0f) | 0x80); /* version 8: made by a rule of its own */
	p->uuid[8] = (uint8_t)((p->uuid[8] & 0x3f) | 0x80);
}

int plan_make(struct tree *t, const struct plan_spec *spec, struct plan *ret)
{
	struct plan p = { .tree = t, .spec = *spec };
	int r;

	if (spec->free_bytes > (uint64_t)PLAN_BLOCKS_MAX * BLOCK_BYTES ||
	    spec->free_inodes > PLAN_BLOCKS_MAX)
		return log_err(-EFBIG, "more than 1 TiB is asked to be free");
	tree_sort(t);
	r = check_sizes(t);
	if (r == 0)
		r = scan_tree(t, spec->scanning, spec->user);
	if (r == 0)
		r = count(t, &p);
	if (r == 0)
		r = solve(&p);
	if (r == 0)
		r = place(t, &p);
	if (r < 0) {
		plan_clear(&p);
		return r;
	}
	identify(t, &p);
	*ret = p;
	return 0;
}

void plan_clear(struct plan *p)
{
	for (uint32_t k = 0; k < p->n_xattrs; k++)
		free(p->xattrs[k].block);
	free(p->xattrs);
	free(p->inodes);
	*p = (struct plan){ 0 };
}
