/*
 * watch.c - how far each node of a lab is, from what the lab writes down
 *
 * A node's events come twice, by network and by console, and one of the two lags. Events carry the
 * time since the kernel's start, so one that is older than the last is simply dropped. A start
 * event after others begins a boot anew.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "lab/hub.h"
#include "lab/watch.h"
#include "wire/bootlog.h"
#include "wire/report.h"

#define FAILED_RETRIES 2 /* attempts of init that may fail before we call it failed */

static const char *const names[WATCH_STAGE_MAX_] = {
	"off",	 "firmware", "kernel",	 "init", "link", "DHCP",
	"index", "fetching", "verified", "root", "up",
};

/* Which of our stages an event of init stands for once it is done, and while it lasts. */
static const struct {
	enum watch_stage ok, begun;
} stage_of[REPORT_STAGE_MAX_] = {
	[REPORT_START] = { WATCH_INIT, WATCH_INIT },
	[REPORT_DRIVERS] = { WATCH_INIT, WATCH_INIT },
	[REPORT_LINK] = { WATCH_LINK, WATCH_INIT },
	[REPORT_DHCP] = { WATCH_DHCP, WATCH_LINK },
	[REPORT_INDEX] = { WATCH_INDEX, WATCH_DHCP },
	[REPORT_MEMORY] = { WATCH_INDEX, WATCH_INDEX },
	[REPORT_FETCH] = { WATCH_FETCH, WATCH_FETCH },
	[REPORT_VERIFY] = { WATCH_VERIFY, WATCH_FETCH },
	[REPORT_MOUNT] = { WATCH_VERIFY, WATCH_VERIFY },
	[REPORT_ROOT] = { WATCH_ROOT, WATCH_VERIFY },
	[REPORT_UP] = { WATCH_UP, WATCH_ROOT },
};

const char *watch_stage_name(enum watch_stage s)
{
	return s < WATCH_STAGE_MAX_ ? names[s] : "?";
}

int watch_new(const struct place *p, size_t n_nodes, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));
	char path[TAIL_PATH_MAX], mac[MAC_STR_MAX];

	if (!w)
		return log_err(-ENOMEM, "cannot watch the lab");
	w->place = p;
	w->n = MIN(n_nodes, (size_t)SITE_NODES_MAX);
	tail_init(&w->record, p->dir, "lab.log");
	tail_init(&w->dnsmasq, p->dir, "dnsmasq.log");
	for (size_t i = 0; i < w->n; i++) {
		struct mac m = hub_mac(i);

		snprintf(path, sizeof(path), "state/boots/%s.events", mac_format(&m, mac));
		tail_init(&w->events[i], p->dir, path);
		snprintf(path, sizeof(path), "consoles/%zu.log", i);
		tail_init(&w->consoles[i], p->dir, path);
	}
	*ret = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	tail_deinit(&w->record);
	tail_deinit(&w->dnsmasq);
	for (size_t i = 0; i < w->n; i++) {
		tail_deinit(&w->events[i]);
		tail_deinit(&w->consoles[i]);
	}
	free(w);
}

static void reach(struct watch_node *n, enum watch_stage s, uint64_t at_ms, const char *words)
{
	if (n->stage != s) {
		n->stage = s;
		n->reached_ms = at_ms;
	}
	snprintf(n->words, sizeof(n->words), "%s", words);
}

static void begin_boot(struct watch_node *n, uint64_t now_ms)
{
	*n = (struct watch_node){ .stage = WATCH_FIRMWARE,
				  .started_ms = now_ms,
				  .reached_ms = now_ms };
}

static void take_fetch(struct watch_node *n, const struct report *e)
{
	if (n->fetch_ms == 0)
		n->fetch_ms = e->ms;
	if (e->state != REPORT_PROGRESS)
		return;
	n->done = e->done;
	n->total = e->total;
	if (e->ms > n->fetch_ms)
		n->rate = (double)e->done * 1000 / (double)(e->ms - n->fetch_ms);
}

/* The first event of a boot. When it is of another one, all that the other source still says is of
 * the last. */
static void take_start(struct watch_node *n, const struct report *e, int source, uint64_t at_ms)
{
	if ((n->begun[source] || n->stale[source]) && e->ms != n->start_ms) {
		bool other = n->begun[!source];
		unsigned retries = n->stage == WATCH_UP ? 0 : n->retries;

		begin_boot(n, at_ms);
		n->stale[!source] = other;
		n->retries = retries;
	}
	n->begun[source] = n->stale[source] = false;
	n->start_ms = e->ms;
}

static void take_event(struct watch_node *n, const struct report *e, int source, uint64_t at_ms)
{
	if (e->stage == REPORT_START)
		take_start(n, e, source, at_ms);
	else
		n->begun[source] = true;
	if (n->stale[source])
		return;
	/* bpmaster says "up" by its own clock */
	if (e->stage == REPORT_UP
		    ? n->stage >= WATCH_UP
		    : e->ms < n->event_ms || (e->ms == n->event_ms && n->stage == WATCH_UP))
		return;
	if (e->stage != REPORT_UP)
		n->event_ms = e->ms;
	if (e->stage == REPORT_FETCH)
		take_fetch(n, e);
	if (e->stage == REPORT_RETRY) {
		if (e->ms == n->retry_ms)
			return;
		n->retry_ms = e->ms;
		n->retries++;
		n->failed = n->retries >= FAILED_RETRIES;
		n->fetch_ms = 0;
		return; /* the words of the failure stay */
	}
	if (e->stage == REPORT_SHELL) {
		n->failed = true;
		return;
	}
	reach(n,
	      e->state == REPORT_OK || e->state == REPORT_WARN ? stage_of[e->stage].ok
							       : stage_of[e->stage].begun,
	      at_ms, e->words);
	if (e->state == REPORT_FAIL)
		snprintf(n->words, sizeof(n->words), "%s: %s", report_stage_name(e->stage),
			 e->words);
}

static int node_of_mac(const struct watch *w, const char *line)
{
	for (const char *p = strstr(line, "52:54:00:b0:00:"); p;
	     p = strstr(p + 1, "52:54:00:b0:00:")) {
		char text[MAC_STR_MAX];
		struct mac m;

		snprintf(text, sizeof(text), "%.17s", p);
		if (mac_parse(text, &m) == 0 && m.b[5] < w->n)
			return m.b[5];
	}
	return -ENOENT;
}

/* "... sent /path/boot/vmlinuz to 10.77.0.10" */
static int node_of_address(const struct watch *w, const char *line)
{
	const char *p = strstr(line, " to 10.77.0.");
	uint32_t host;

	if (!p || parse_u32(p + strlen(" to 10.77.0."), 10, 10 + SITE_NODES_MAX - 1, &host) < 0 ||
	    host - 10 >= w->n)
		return -ENOENT;
	return (int)host - 10;
}

static void take_dnsmasq(struct watch *w, const char *line)
{
	int i;

	if (strstr(line, "DHCPACK(")) {
		i = node_of_mac(w, line);
		if (i >= 0 && w->nodes[i].stage == WATCH_FIRMWARE)
			reach(&w->nodes[i], WATCH_FIRMWARE, clock_boot_ms(),
			      "has an address, loads the kernel");
	} else if (strstr(line, " sent ") && strstr(line, "/boot/")) {
		i = node_of_address(w, line);
		if (i >= 0 && w->nodes[i].stage == WATCH_FIRMWARE && strstr(line, "/vmlinuz "))
			reach(&w->nodes[i], WATCH_KERNEL, clock_boot_ms(), "loaded");
	}
}

/* "MS node N started|ended STATUS", "MS PART ended STATUS"; see supervisor.h. */
static void take_record(struct watch *w, char *line)
{
	char *word[5] = { NULL }, *save = line;
	uint64_t ms;
	uint32_t i;
	size_t n = 0;

	while (n < ARRAY_SIZE(word) && (word[n] = strsep(&save, " ")))
		n++;
	if (n < 3 || parse_u64(word[0], 0, UINT64_MAX, &ms) < 0)
		return;
	if (!strcmp(word[1], "node") && n >= 4 &&
	    parse_u32(word[2], 0, SITE_NODES_MAX - 1, &i) == 0 && i < w->n) {
		if (!strcmp(word[3], "started")) {
			begin_boot(&w->nodes[i], ms);
			return;
		}
		w->nodes[i].ended = true;
		w->nodes[i].ended_ms = ms;
		if (n < 5 || parse_u32(word[4], 0, 255, &w->nodes[i].status) < 0)
			w->nodes[i].status = 255;
	} else if (!strcmp(word[2], "ended") && n >= 4) {
		w->broken = true;
		snprintf(w->words, sizeof(w->words), "%s ended with status %s; see %s/%s.log",
			 word[1], word[3], w->place->path,
			 !strcmp(word[1], "bpmaster") ? "master" : word[1]);
	}
}

/* After all that it said before. */
static void take_end(const struct watch *w, struct watch_node *n, size_t i)
{
	if (n->status == 0) {
		reach(n, WATCH_OFF, n->ended_ms, "powered off");
		return;
	}
	n->failed = true;
	n->reached_ms = n->ended_ms;
	snprintf(n->words, sizeof(n->words),
		 "its QEMU ended with status %u; see %s/consoles/%zu.err", n->status,
		 w->place->path, i);
}

/* A wall clock's time as milliseconds since this machine was started. */
static uint64_t boot_time(uint64_t wall_ms)
{
	struct timespec ts;
	uint64_t now_ms, boot_ms = clock_boot_ms();

	clock_gettime(CLOCK_REALTIME, &ts);
	now_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	return now_ms > wall_ms && now_ms - wall_ms < boot_ms ? boot_ms - (now_ms - wall_ms)
							      : boot_ms;
}

void watch_poll(struct watch *w)
{
	struct bootlog_entry entry;
	struct report e;
	bool anew;
	char *line;

	while ((line = tail_next(&w->record, &anew)))
		take_record(w, line);
	while ((line = tail_next(&w->dnsmasq, &anew)))
		take_dnsmasq(w, line);
	for (size_t i = 0; i < w->n; i++) {
		while ((line = tail_next(&w->events[i], &anew))) {
			if (bootlog_parse(line, &entry) == 0)
				take_event(&w->nodes[i], &entry.report, 1,
					   boot_time(entry.wall_ms));
		}
		while ((line = tail_next(&w->consoles[i], &anew))) {
			if (report_line_parse(line, &e) == 0)
				take_event(&w->nodes[i], &e, 0, clock_boot_ms());
		}
		if (w->nodes[i].ended)
			take_end(w, &w->nodes[i], i);
	}
}

void watch_freep(struct watch **w)
{
	watch_free(*w);
}
