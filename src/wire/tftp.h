/*
 * tftp.h - TFTP packets: bytes to struct and back (RFC 1350, 2347, 2348, 2349, 7440)
 *
 * A pure codec. Whether a packet is legal now, and whether an option was asked for, is the client's
 * business (net/tftp_client.c); here it is only whether its form is right.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

#define TFTP_PORT	     69
#define TFTP_HEADER_BYTES    4 /* of DATA and ACK */
#define TFTP_BLKSIZE_DEFAULT 512
#define TFTP_BLKSIZE_MIN     8
#define TFTP_BLKSIZE_MAX     65464
#define TFTP_PATH_MAX	     512  /* with NUL */
#define TFTP_MESSAGE_MAX     128  /* with NUL; longer error messages are cut */
#define TFTP_REQUEST_MAX     1024 /* bytes of a request */

enum tftp_op {
	TFTP_RRQ = 1,
	TFTP_WRQ,
	TFTP_DATA,
	TFTP_ACK,
	TFTP_ERROR,
	TFTP_OACK,
	TFTP_OP_MAX_,
};

enum tftp_error {
	TFTP_EUNDEF,
	TFTP_ENOENT,
	TFTP_EACCESS,
	TFTP_ENOSPACE,
	TFTP_EBADOP,
	TFTP_EBADID,
	TFTP_EEXISTS,
	TFTP_ENOUSER,
	TFTP_EBADOPT,
	TFTP_ERROR_MAX_,
};

/* Options of a request or of its acknowledgement. Zero: not there (tsize: see has_tsize). */
struct tftp_options {
	uint16_t blksize;
	uint16_t windowsize;
	uint8_t timeout_s;
	uint32_t utimeout_us; /* tftpd-hpa's: the server's retransmission timer */
	bool has_tsize;
	uint64_t tsize; /* bytes; 0 in a request */
	bool unknown;	/* another option was there as well */
};

struct tftp_packet {
	enum tftp_op op;
	uint16_t block;	     /* DATA, ACK */
	const uint8_t *data; /* DATA: borrowed from the packet */
	size_t data_bytes;
	uint16_t error;			/* ERROR */
	char message[TFTP_MESSAGE_MAX]; /* ERROR: printable ASCII; '?' for anything else */
	const char *path; /* RRQ, WRQ: borrowed from the packet; shorter than TFTP_PATH_MAX */
	struct tftp_options options; /* RRQ, WRQ, OACK */
};

/*
 * Parse any packet. An option twice, a value that is no number or outside its RFC's range, and a
 * mode other than octet are malformed. Return: 0 or -EBADMSG.
 */
_must_check_ int tftp_packet_parse(const void *buf, size_t n, struct tftp_packet *ret);

/* Write any packet. Return: 0 with *ret_n set, or -E2BIG. */
_must_check_ int tftp_packet_format(const struct tftp_packet *p, void *buf, size_t n,
				    size_t *ret_n);

const char *
tftp_error_name(uint16_t error); /* "file not found"; "error" for a number without a name */
