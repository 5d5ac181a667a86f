"""What kazoo's users do, against the server at argv[1]. Prints "ok NAME" for each part."""
import socket
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (BadVersionError, NoNodeError, NodeExistsError,
                              NotEmptyError, RolledBackError, NoAuthError)
from kazoo.recipe.watchers import ChildrenWatch, DataWatch
from kazoo.security import make_digest_acl

hosts = sys.argv[1]


def connect(**options):
    c = KazooClient(hosts=hosts, timeout=10, **options)
    c.start(timeout=20)
    return c


def await_(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain until " + what
        time.sleep(0.01)


def nodes(a, b):
    path = a.create("/k/n", b"one", makepath=True)
    assert path == "/k/n"
    data, stat = b.get("/k/n")
    assert data == b"one" and stat.version == 0 and stat.dataLength == 3, stat
    stat = a.set("/k/n", b"two", version=0)
    assert stat.version == 1
    for error, call in [(BadVersionError, lambda: a.set("/k/n", b"x", version=7)), (NodeExistsError, lambda: a.create("/k/n")),
                        (NoNodeError, lambda: a.get("/k/none")), (NotEmptyError, lambda: a.delete("/k"))]:
        try:
            call()
        except error:
            continue
        raise AssertionError("no " + error.__name__)
    names = [a.create("/k/s-", sequence=True) for _ in range(3)]
    assert names == sorted(names) and names[0].endswith("0000000001"), names
    path, stat = a.create("/k/two", b"2", include_data=True)
    assert path == "/k/two" and stat.dataLength == 1
    children, stat = a.get_children("/k", include_data=True)
    assert len(children) == 5 and stat.children_count == 5, children
    a.ensure_path("/k/deep/er/still")
    assert b.sync("/k") == "/k"
    a.delete("/k", recursive=True)
    assert b.exists("/k") is None


def transactions(a, b):
    a.ensure_path("/kt")
    t = a.transaction()
    t.create("/kt/a", b"1")
    t.set_data("/kt", b"2")
    t.check("/kt/a", version=0)
    t.create("/kt/s-", sequence=True)
    t.delete("/kt/a")
    results = t.commit()
    assert results[0] == "/kt/a" and results[1].version == 1 and results[2] is True and results[4] is True, results
    t = a.transaction()
    t.create("/kt/b")
    t.check("/kt", version=99)
    t.create("/kt/c")
    results = t.commit()
    assert isinstance(results[0], RolledBackError) and isinstance(results[1], BadVersionError), results
    assert a.exists("/kt/b") is None


def acls(a, b):
    mine = connect(auth_data=[("digest", "carol:secret")])
    mine.create("/ka", b"x", acl=[make_digest_acl("carol", "secret", all=True)])
    try:
        a.get("/ka")
        raise AssertionError("read without the right to")
    except NoAuthError:
        pass
    a.add_auth("digest", "carol:secret")
    assert a.get("/ka")[0] == b"x"
    assert mine.get_acls("/ka")[0][0].id.id.startswith("carol:")
    mine.delete("/ka")
    mine.stop()


def watchers(a, b):
    a.ensure_path("/kw")
    seen, kids = [], []
    DataWatch(b, "/kw/d", lambda data, stat, event: seen.append((data, event and event.type)))
    ChildrenWatch(b, "/kw", lambda children: kids.append(sorted(children)))
    await_("the first look", lambda: seen and kids)
    a.create("/kw/d", b"1")
    await_("the creation", lambda: (b"1", "CREATED") in seen)
    a.set("/kw/d", b"2")
    await_("the change", lambda: (b"2", "CHANGED") in seen)
    a.delete("/kw/d")
    await_("the deletion", lambda: (None, "DELETED") in seen)
    await_("the children", lambda: ["d"] in kids and kids[-1] == [])


def locks(a, b):
    order = []
    first, second = a.Lock("/kl", "first"), b.Lock("/kl", "second")
    assert first.acquire(timeout=20)
    waiting = threading.Thread(target=lambda: (second.acquire(timeout=20), order.append("second")))
    waiting.start()
    await_("the second in the queue", lambda: len(a.Lock("/kl").contenders()) == 2)
    assert a.Lock("/kl").contenders() == ["first", "second"] and not order
    assert not b.Lock("/kl", "third").acquire(blocking=False)
    order.append("first")
    first.release()
    waiting.join(20)
    assert order == ["first", "second"], order
    second.release()
    with a.ReadLock("/krw"), b.ReadLock("/krw"):
        assert not a.WriteLock("/krw").acquire(blocking=False)
    with a.Semaphore("/ks", max_leases=2), b.Semaphore("/ks", max_leases=2):
        assert not a.Semaphore("/ks", max_leases=2).acquire(blocking=False)


def elections(a, b):
    won, go = [], threading.Event()

    def lead(name):
        won.append(name)
        go.wait(20)
    threads = []
    for client, name in [(a, "a"), (b, "b")]:
        election = client.Election("/ke", name)
        threads.append(threading.Thread(target=election.run, args=(lead, name)))
        threads[-1].start()
        await_(name + "'s candidacy", lambda: name in election.contenders())
    assert won == ["a"], won
    go.set()
    for thread in threads:
        thread.join(20)
    assert won == ["a", "b"], won


def queues(a, b):
    q = a.Queue("/kq")
    for item in (b"1", b"2", b"3"):
        q.put(item)
    q.put(b"urgent", priority=1)
    assert len(q) == 4
    assert [b.Queue("/kq").get() for _ in range(4)] == [b"urgent", b"1", b"2", b"3"]
    locking = a.LockingQueue("/klq")
    locking.put_all([b"x", b"y"])
    other = b.LockingQueue("/klq")
    assert locking.get(5) == b"x" and other.get(5) == b"y"
    assert locking.consume() and other.consume()


def parties(a, b):
    first, second, shallow = a.Party("/kp", "a"), b.Party("/kp", "b"), b.ShallowParty("/ksp", "s")
    first.join()
    second.join()
    assert sorted(first) == ["a", "b"]
    shallow.join()
    assert len(a.ShallowParty("/ksp")) == 1
    first.leave()
    assert list(second) == ["b"]


def barriers(a, b):
    barrier = a.Barrier("/kb")
    barrier.create()
    assert b.Barrier("/kb").wait(0.1) is False
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(b.Barrier("/kb").wait(20)))
    thread.start()
    barrier.remove()
    thread.join(20)
    assert waiting == [True]
    met = []
    threads = [threading.Thread(target=lambda c=c: (c.DoubleBarrier("/kdb", 2).enter(), met.append(1))) for c in (a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert met == [1, 1]


def counters(a, b):
    def count(c):
        counter = c.Counter("/kc")
        for _ in range(20):
            counter += 1
    threads = [threading.Thread(target=count, args=(c,)) for c in (a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert a.Counter("/kc").value == 40, a.Counter("/kc").value


def reconnects(a, b):
    states = []
    c = connect()
    c.add_listener(states.append)
    c.create("/kr", b"x", ephemeral=True)
    session = c.client_id
    c._connection._socket.shutdown(socket.SHUT_RDWR)
    await_("the connection is lost", lambda: KazooState.SUSPENDED in states)
    await_("the connection comes back", lambda: c.state == KazooState.CONNECTED and c.connected)
    c.get_children("/")
    assert c.client_id == session and c.exists("/kr") is not None
    c.stop()
    await_("the ephemeral goes", lambda: a.exists("/kr") is None)


a, b = connect(), connect()
for part in (nodes, transactions, acls, watchers, locks, elections, queues, parties, barriers, counters, reconnects):
    part(a, b)
    print("ok", part.__name__, flush=True)
a.stop()
b.stop()
