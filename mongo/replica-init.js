// Makes the replica set what replica-set.json says: members, settings, default concerns, users and their rights.
// Runs in mongosh on (or in the network namespace of) the first member; running it again changes nothing.
//
//   mongosh --nodb --quiet --file replica-init.js
//
// Environment: REPLICA_MEMBERS=host:port,…  as members and clients know each other
//              REPLICA_FIRST=127.0.0.1:port  the first member, over loopback: there the first user may be made
//              MONGO_ROOT_PASSWORD, MONGO_APP_PASSWORD, MONGO_MIGRATE_PASSWORD, each also as …_FILE
//              REPLICA_DATABASES=a,b  (default: those in replica-set.json)
//              REPLICA_SET_FILE (default: replica-set.json beside this script), REPLICA_WAIT_SECONDS (default 120)
// stack/replica_set.py does the same for the local stack; a test compares their results.

const fs = require("fs");
const path = require("path");

const UNAUTHORIZED = [13, 18];
const ALREADY_INITIALIZED = 23;
const ROLE_EXISTS = 51002;
const USER_EXISTS = 51003;

const wanted = JSON.parse(
  fs.readFileSync(process.env.REPLICA_SET_FILE || path.join(__dirname, "replica-set.json"), "utf8"),
);
const members = required("REPLICA_MEMBERS").split(",");
const first = process.env.REPLICA_FIRST || "127.0.0.1:27017";
const databases = (process.env.REPLICA_DATABASES || wanted.databases.join(",")).split(",");
const deadline = Date.now() + 1000 * Number(process.env.REPLICA_WAIT_SECONDS || 120);
const rootPassword = secret("MONGO_ROOT_PASSWORD");
const passwords = {
  bookstore_app: secret("MONGO_APP_PASSWORD"),
  bookstore_migrate: secret("MONGO_MIGRATE_PASSWORD"),
};

function required(name) {
  if (!process.env[name]) {
    throw new Error(`set ${name}`);
  }
  return process.env[name];
}

function secret(name) {
  const file = process.env[`${name}_FILE`];
  return file ? fs.readFileSync(file, "utf8").trim() : required(name);
}

function refusal(error, accepted) {
  if (!accepted.includes(error.code)) {
    throw error;
  }
}

// Asks again until there is an answer: members start at their own pace.
function until(what, question) {
  let last = "";
  while (Date.now() < deadline) {
    try {
      const answer = question();
      if (answer) {
        return answer;
      }
    } catch (error) {
      last = `: ${error.message}`;
    }
    sleep(200);
  }
  throw new Error(`${what} didn't happen in time${last}`);
}

function connect_to(hosts, { set = "", user = "" } = {}) {
  const login = user ? `root:${encodeURIComponent(rootPassword)}@` : "";
  const kind = set ? `replicaSet=${set}` : "directConnection=true";
  return Mongo(`mongodb://${login}${hosts}/admin?${kind}&serverSelectionTimeoutMS=5000`).getDB("admin");
}

function configuration(firstAlone) {
  return {
    _id: wanted.name,
    members: members.map((host, number) => ({ _id: number, host, priority: firstAlone && number > 0 ? 0 : 1 })),
    // A short election at first; the lasting time-out comes with the final configuration.
    settings: { ...wanted.settings, ...(firstAlone ? { electionTimeoutMillis: 500 } : {}) },
  };
}

function initiate() {
  const admin = until("the first member's start", () => {
    const db = connect_to(first);
    db.runCommand({ hello: 1 });
    return db;
  });
  // Every member must be there before the set can be made. Unauthorised: an earlier run made it, and users.
  until("the set's making", () => {
    try {
      // Only the first may be elected at first: there the first user can be made.
      return admin.runCommand({ replSetInitiate: configuration(true) }).ok;
    } catch (error) {
      refusal(error, [...UNAUTHORIZED, ALREADY_INITIALIZED]);
      return true;
    }
  });
  until("the first user's making", () => {
    const hello = admin.runCommand({ hello: 1 });
    if (!hello.isWritablePrimary) {
      // Another primary: the set is older than this run, and has its users. None: on a busy machine the first member may
      // have lost its office again; it alone can be elected.
      return hello.primary && hello.primary !== hello.me;
    }
    try {
      admin.createUser({ user: "root", pwd: rootPassword, roles: ["root"] });
      print("root: created");
    } catch (error) {
      refusal(error, [...UNAUTHORIZED, USER_EXISTS]);
    }
    return true;
  });
}

function create_users(admin) {
  for (const [role, actions] of Object.entries(wanted.roles)) {
    const privileges = databases.map((name) => ({ resource: { db: name, collection: "" }, actions }));
    create_or_update(ROLE_EXISTS, role, () => admin.createRole({ role, privileges, roles: [] }), () =>
      admin.updateRole(role, { privileges, roles: [] }),
    );
  }
  for (const [user, roles] of Object.entries(wanted.users)) {
    const granted = roles.flatMap((role) =>
      role in wanted.roles ? [{ role, db: "admin" }] : databases.map((db) => ({ role, db })),
    );
    create_or_update(
      USER_EXISTS,
      user,
      () => admin.createUser({ user, pwd: passwords[user], roles: granted }),
      () => admin.updateUser(user, { pwd: passwords[user], roles: granted }),
    );
  }
}

function create_or_update(exists, name, create, update) {
  try {
    create();
    print(`${name}: created`);
  } catch (error) {
    refusal(error, [exists]);
    update();
    print(`${name}: as wanted`);
  }
}

function apply_settings(admin) {
  const current = admin.runCommand({ replSetGetConfig: 1 }).config;
  const final = configuration(false);
  const changed = {
    ...current,
    members: current.members.map((member, number) => ({ ...member, ...final.members[number] })),
    settings: { ...current.settings, ...final.settings },
  };
  if (EJSON.stringify(changed) !== EJSON.stringify(current)) {
    admin.runCommand({ replSetReconfig: { ...changed, version: current.version + 1 } });
    print("settings: applied");
  }
  admin.runCommand({
    setDefaultRWConcern: 1,
    defaultReadConcern: { level: wanted.defaultReadConcern },
    defaultWriteConcern: { w: wanted.defaultWriteConcern, wtimeout: 0 },
    writeConcern: { w: "majority" },
  });
}

initiate();
const admin = until("an election", () => {
  const db = connect_to(members.join(","), { set: wanted.name, user: "root" });
  return db.runCommand({ hello: 1 }).isWritablePrimary && db;
});
create_users(admin);
apply_settings(admin);
print(`replica set ${wanted.name}: ready`);
