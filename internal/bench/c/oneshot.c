/*
 * The floor of `zkctl ls /`: a process that opens a session, lists the children of "/", prints them and closes the session,
 * over bare sockets. It checks no more than lengths.
 *
 *	oneshot PORT
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int server;

static void fail(const char *what) {
	perror(what);
	exit(1);
}

static void put(const void *p, size_t n) {
	if (write(server, p, n) != (ssize_t)n)
		fail("write");
}

static void get(void *p, size_t n) {
	char *at = p;
	while (n > 0) {
		ssize_t got = read(server, at, n);
		if (got <= 0)
			fail("read");
		at += got;
		n -= got;
	}
}

static uint32_t integer(const unsigned char *p) {
	uint32_t v;
	memcpy(&v, p, 4);
	return ntohl(v);
}

/* frame reads one, and returns its length. */
static size_t frame(unsigned char *buf, size_t size) {
	unsigned char head[4];
	get(head, 4);
	size_t n = integer(head);
	if (n > size) {
		fprintf(stderr, "a frame of %zu bytes is too long\n", n);
		exit(1);
	}
	get(buf, n);
	return n;
}

int main(int argc, char **argv) {
	static unsigned char buf[1 << 20];
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 2181)};
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if ((server = socket(AF_INET, SOCK_STREAM, 0)) < 0 || connect(server, (struct sockaddr *)&addr, sizeof addr) < 0)
		fail("connect");
	int on = 1;
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

	/* length 45: protocol version, zxid, timeout of 30 s, session, password of 16 bytes, read-only */
	unsigned char hello[49] = {[3] = 45, [18] = 0x75, [19] = 0x30, [31] = 16};
	put(hello, sizeof hello);
	frame(buf, sizeof buf);

	/* length 14: xid 1, getChildren2, "/", no watch */
	unsigned char list[18] = {[3] = 14, [7] = 1, [11] = 12, [15] = 1, [16] = '/', [17] = 0};
	put(list, sizeof list);
	size_t n = frame(buf, sizeof buf);
	if (n < 20 || integer(buf + 12) != 0) {
		fprintf(stderr, "the server refused\n");
		return 1;
	}
	uint32_t count = integer(buf + 16);
	size_t at = 20;
	putchar('[');
	for (uint32_t i = 0; i < count && at + 4 <= n; i++) {
		uint32_t length = integer(buf + at);
		at += 4;
		if (length > n - at)
			break;
		printf("%s%.*s", i > 0 ? ", " : "", (int)length, (const char *)buf + at);
		at += length;
	}
	puts("]");

	/* length 8: xid 2, closeSession */
	unsigned char bye[12] = {[3] = 8, [7] = 2, [8] = 0xff, [9] = 0xff, [10] = 0xff, [11] = 0xf5};
	put(bye, sizeof bye);
	frame(buf, sizeof buf);
	close(server);
	return 0;
}
