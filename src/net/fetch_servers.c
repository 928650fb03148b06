/*
 * fetch_servers.c - which server a part is asked of, and in what blocks
 */
#include "net/fetch_servers.h"

#define AWAY_FIRST_S	0.25
#define AWAY_DOUBLINGS	6    /* up to 16 s */
#define CLEAN_PARTS	4    /* without a loss, before large blocks are tried */
#define SILENT_S	0.3  /* nothing at all, while another server gives */
#define SLOW_S		1.0  /* something, but little */
#define SLOW_FACTOR	4    /* slower than another */
#define PART_S_DEFAULT	0.02 /* of a server that was not asked yet: try it */

/* What one more part costs there. */
static double cost(const struct fetch_server *s)
{
	return (s->running + 1) * (s->part_s > 0 ? s->part_s : PART_S_DEFAULT);
}

static bool is_away(const struct fetch_server *s, ev_tstamp now)
{
	/* one that failed is tried with one part, not with all */
	return s->faults > 0 && (now < s->away_until || s->running > 0);
}

unsigned fetch_servers_pick(const struct fetch_servers *s, unsigned avoid, ev_tstamp now,
			    bool *ret_good)
{
	unsigned best = 0, best_rank = UINT32_MAX;

	for (unsigned i = 0; i < s->n; i++) {
		unsigned rank = (avoid >> i & 1) * 2 + is_away(&s->server[i], now);

		if (rank < best_rank ||
		    (rank == best_rank && cost(&s->server[i]) < cost(&s->server[best]))) {
			best = i;
			best_rank = rank;
		}
	}
	*ret_good = best_rank == 0;
	return best;
}

bool fetch_server_begin(struct fetch_server *s, const struct fetch_tuning *tuning,
			struct transfer_config *config)
{
	bool large = s->blocks == FETCH_BLOCKS_LARGE;

	s->running++;
	config->blksize = tuning->blksize;
	config->windowsize = tuning->windowsize ? tuning->windowsize : FETCH_WINDOW;
	config->rtt = &s->rtt;
	if (s->base.scheme != FETCH_TFTP || tuning->blksize || tuning->windowsize)
		return false;
	if (s->blocks == FETCH_BLOCKS_MTU && s->clean >= CLEAN_PARTS) {
		s->blocks = FETCH_BLOCKS_TRY; /* this part alone */
		large = true;
	}
	if (large) {
		config->blksize = FETCH_LARGE_BLOCKS;
		config->windowsize = FETCH_LARGE_WINDOW;
	}
	return large;
}

void fetch_server_end(struct fetch_server *s)
{
	s->running--;
}

void fetch_server_good(struct fetch_server *s, double took, bool lost, bool large)
{
	s->running--;
	s->faults = 0;
	s->part_s = s->part_s > 0 ? s->part_s * 0.75 + took * 0.25 : MAX(took, 1e-6);
	s->clean = lost ? 0 : s->clean + 1;
	if (large && lost)
		fetch_server_lossy(s);
	else if (large && s->blocks == FETCH_BLOCKS_TRY)
		s->blocks = FETCH_BLOCKS_LARGE;
}

void fetch_server_fault(struct fetch_server *s, ev_tstamp now, double projected)
{
	s->running--;
	s->clean = 0;
	s->part_s = MAX(s->part_s, projected);
	s->away_until = now + AWAY_FIRST_S * (1u << MIN(s->faults, (unsigned)AWAY_DOUBLINGS));
	s->faults++;
}

void fetch_server_lossy(struct fetch_server *s)
{
	s->blocks = FETCH_BLOCKS_LOSSY;
}

bool fetch_servers_slow(const struct fetch_servers *s, unsigned i, double age, size_t len,
			size_t size, ev_tstamp now, double *ret_projected)
{
	double best = 0, all = len > 0 ? age * (double)size / (double)len : age;

	for (unsigned k = 0; k < s->n; k++) {
		const struct fetch_server *o = &s->server[k];

		if (k != i && o->part_s > 0 && !(o->faults > 0 && now < o->away_until) &&
		    (best == 0 || o->part_s < best))
			best = o->part_s;
	}
	if (best == 0 || age < MAX(len > 0 ? SLOW_S : SILENT_S, SLOW_FACTOR * best) ||
	    all < SLOW_FACTOR * best)
		return false;
	*ret_projected = all;
	return true;
}
