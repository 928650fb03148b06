/*
 * file_servers.h - the boot directory as configuration of tftpd-hpa, atftpd and nginx
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"
#include "serve/cluster.h"

/*
 * Append the configuration. Return: 0; -EINVAL when the boot directory's path cannot be written so
 * that the server takes it (logged); -E2BIG, -ENOMEM.
 */
_must_check_ int tftpd_hpa_format(const struct cluster *c, struct buffer *to);
_must_check_ int atftpd_format(const struct cluster *c, struct buffer *to);
_must_check_ int nginx_format(const struct cluster *c, struct buffer *to);
