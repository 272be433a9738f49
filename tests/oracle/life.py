"""The life of a client, driven by HPE's own client library and the library of HPE's tool.

This script contains nothing specific to the platform: HPE's code decides what is sent and how answers are read.
Arguments: URL, unique id of the partner, key, secret.
"""

import datetime
import sys

from opsramp.binding import connect
from opsramp.msp import Clients
from opsrampcli.opsrampenv import OpsRampEnv


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r} and not {wanted!r}")


def fails(what, code, call):
    """Asserts that a call fails with a status. The library raises a RuntimeError that begins with the answer."""
    try:
        answer = call()
    except RuntimeError as error:
        if f"[{code}]" not in str(error):
            sys.exit(f"{what}: {error}")
        return
    sys.exit(f"{what}: {answer!r} and no error")


def reference(ops):
    config = ops.config()
    countries = {row["name"]: row["code"] for row in config.get_countries()}
    expect("code of Ireland", countries["Ireland"], "IRL")
    zones = {row["name"] for row in config.get_timezones()}
    expect("Europe/London is a zone", "Europe/London" in zones, True)
    for rows in [config.get_channels(), config.get_nocs()]:
        expect("channels and NOCs have ids", all(isinstance(row["id"], int) for row in rows) and bool(rows), True)


def clients_life(ops, partner):
    tenant = ops.tenant(partner)
    expect("uniqueId of the partner", tenant.get()["uniqueId"], partner)
    clients = tenant.clients()
    hours = Clients.mkHours(day_start=datetime.time(8, 30), week_end=5)
    made = [
        clients.create(Clients.mkClient(f"Oracle {number}", "1 Main St", "Europe/London", "Ireland", hours))
        for number in range(3)
    ]
    ids = [one["uniqueId"] for one in made]
    expect("ids of clients are told from those of partners", ops.tenant(ids[0]).is_client(), True)
    expect("minimal list", {one["uniqueId"] for one in clients.get()} >= set(ids), True)
    read = clients.get(ids[0])
    for key, wanted in [("name", "Oracle 0"), ("address", "1 Main St"), ("country", "Ireland"), ("activated", True)]:
        expect(key, read[key], wanted)
    for key, wanted in hours.items():
        expect(key, read["clientDetails"][key], wanted)
    expect("update", clients.update(ids[0], {"city": "Dublin"})["uniqueId"], ids[0])
    expect("city", clients.get(ids[0])["city"], "Dublin")
    expect("search by name", [row["uniqueId"] for row in clients.search("name:Oracle 1")["results"]], [ids[1]])
    expect("search by number", [row["uniqueId"] for row in clients.search(f"queryString=id:{read['id']}")["results"]], [ids[0]])
    pages = clients.search("queryString=activeStatus:true&pageSize=1")
    expect("pages that the library puts together", {row["uniqueId"] for row in pages["results"]} >= set(ids), True)
    expect("suspend", clients.suspend(ids[0]), None)
    expect("a suspended client", clients.get(ids[0])["activated"], False)
    expect("activate", clients.activate(ids[0]), None)
    expect("an active client", clients.get(ids[0])["activated"], True)
    for one in ids:
        expect("terminate", clients.terminate(one), None)
    fails("a terminated client", 404, lambda: clients.get(ids[0]))
    gone = clients.search("queryString=activeStatus:false")["results"]
    expect("terminated clients are on the inactive list", {row["uniqueId"] for row in gone} >= set(ids), True)
    fails("a bare list", 405, lambda: clients.get(""))


def roles(ops, partner):
    tenant = ops.tenant(partner)
    sets = tenant.permission_sets().search()["results"]
    definition = {"name": "Oracle", "scope": "MSP", "allClients": True, "permissions": [{"id": sets[0]["id"]}]}
    role = tenant.roles().create(definition)["uniqueId"]
    found = {row["uniqueId"] for row in tenant.roles().search()["results"]}
    expect("the role is listed", role in found, True)
    tenant.roles().update(role, {"description": "made by the library"})
    expect("description", tenant.roles().get(role)["description"], "made by the library")
    tenant.roles().delete(role)
    fails("a deleted role", 404, lambda: tenant.roles().get(role))


def tool(url, partner, key, secret):
    """Runs the tool, which requests its token at the other path and reads one client of a partner."""
    env = {"url": url, "partner": partner, "tenant": "", "client_id": key, "client_secret": secret}
    ops = OpsRampEnv(env)
    client = ops.post_object(f"/api/v2/tenants/{partner}/clients", {"name": "Tool"})["uniqueId"]
    env["tenant"] = client
    expect("name", ops.get_objects("clients")["name"], "Tool")
    path = f"/api/v2/tenants/{partner}/clients/search"
    rows = ops.get_with_pagination(path, params={"queryString": "activeStatus:true"}, page_size=1)
    expect("pages that the tool puts together", client in {row["uniqueId"] for row in rows}, True)
    answer = ops.post_object(f"/api/v2/tenants/{partner}/clients/{client}/terminate", {})
    expect("terminate", answer, None)


def main():
    url, partner, key, secret = sys.argv[1:]
    ops = connect(url, key, secret)
    reference(ops)
    clients_life(ops, partner)
    roles(ops, partner)
    tool(url, partner, key, secret)
    print("a client lived and was ended")


main()
