"""``python -m greffier_server``: the server's commands without the client."""

from greffier_server.cli import main

if __name__ == "__main__":
    main(prog_name="greffier_server")
