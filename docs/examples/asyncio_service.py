"""An asyncio service whose heavy work other processes do: asyncio_service.py [REQUESTS]."""

import asyncio
import multiprocessing
import sys

import zinc


def count_primes(below: int) -> int:
    """Take long, and hold the loop up if it were done there."""
    return sum(all(n % k for k in range(2, int(n**0.5) + 1)) for n in range(2, below))


def start() -> multiprocessing.Process:
    worker = multiprocessing.Process(target=zinc.serve, args=("primes", count_primes))
    worker.start()
    return worker


async def ask(client: zinc.Client, below: int) -> int:
    while True:
        try:
            return await client.call_async(below)
        except zinc.PeerDiedError:  # its worker was killed: another one is there, or comes
            (await asyncio.to_thread(zinc.connect, client.name, timeout_ms=5000)).close()


async def request(port: int, below: int) -> int:
    """Ask the service, as its users do."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{below}\n".encode())
    answer = int(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answer


async def main(requests: int) -> None:
    workers = [start(), start()]
    client = await asyncio.to_thread(zinc.connect, "primes", timeout_ms=5000)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await ask(client, int(await reader.readline()))
        writer.write(f"{answer}\n".encode())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        asked = [asyncio.create_task(request(port, 10 * n)) for n in range(requests)]
        await asked[0]
        workers[0].kill()
        answers = await asyncio.gather(*asked)
    print(f"{len(answers)} answers, the last of which is {answers[-1]}; one worker was killed")
    client.shutdown()
    client.close()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
