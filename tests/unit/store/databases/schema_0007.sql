-- A database of version 0.1.0 (schema 0007), dumped from SQLite: samples and a computed radiograph were received,
-- answered by the shipped model, judged by readers, answered again at another threshold and in another SR class,
-- delivered, committed, given up. No patient's data. The test of the migration reads it.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
CREATE TABLE "deliveries" (
	id INTEGER NOT NULL, 
	result_id INTEGER NOT NULL, 
	destination VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	last_error TEXT, 
	state_at DATETIME NOT NULL, 
	open BOOLEAN DEFAULT 1 NOT NULL, 
	held_by VARCHAR(255), 
	not_before DATETIME NOT NULL, 
	begun_at DATETIME NOT NULL, 
	transaction_uid VARCHAR(64), unsure BOOLEAN DEFAULT 0 NOT NULL, asked INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(result_id) REFERENCES results (id), 
	UNIQUE (result_id, destination)
);
INSERT INTO "deliveries" VALUES(1,1,'archive','delivered',1,NULL,'2026-11-25 23:30:04.662121',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:04.511326',NULL,0,0);
INSERT INTO "deliveries" VALUES(2,1,'pacs','committed',1,NULL,'2026-11-25 23:30:06.908629',0,NULL,'2026-11-25 23:31:06.894603','2026-11-25 23:30:04.512471','2.25.2',0,1);
INSERT INTO "deliveries" VALUES(3,2,'archive','delivered',1,NULL,'2026-11-25 23:30:04.672923',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:04.513873',NULL,0,0);
INSERT INTO "deliveries" VALUES(4,2,'pacs','committed',1,NULL,'2026-11-25 23:30:06.936292',0,NULL,'2026-11-25 23:31:06.926601','2026-11-25 23:30:04.514377','2.25.4',0,1);
INSERT INTO "deliveries" VALUES(5,3,'archive','delivered',1,NULL,'2026-11-25 23:30:04.682707',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:04.523708',NULL,0,0);
INSERT INTO "deliveries" VALUES(6,3,'pacs','committed',1,NULL,'2026-11-25 23:30:06.959319',0,NULL,'2026-11-25 23:31:06.950460','2026-11-25 23:30:04.524248','2.25.6',0,1);
INSERT INTO "deliveries" VALUES(7,4,'archive','delivered',1,NULL,'2026-11-25 23:30:04.686477',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:04.525481',NULL,0,0);
INSERT INTO "deliveries" VALUES(8,4,'pacs','committed',1,NULL,'2026-11-25 23:30:06.984246',0,NULL,'2026-11-25 23:31:06.972982','2026-11-25 23:30:04.525893','2.25.8',0,1);
INSERT INTO "deliveries" VALUES(9,5,'archive','delivered',1,NULL,'2026-11-25 23:30:04.694794',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:04.538790',NULL,0,0);
INSERT INTO "deliveries" VALUES(10,5,'pacs','committed',1,NULL,'2026-11-25 23:30:07.012111',0,NULL,'2026-11-25 23:31:06.996275','2026-11-25 23:30:04.541916','2.25.10',0,1);
INSERT INTO "deliveries" VALUES(11,6,'archive','delivered',1,NULL,'2026-11-25 23:30:04.706820',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:04.543681',NULL,0,0);
INSERT INTO "deliveries" VALUES(12,6,'pacs','committed',1,NULL,'2026-11-25 23:30:07.035797',0,NULL,'2026-11-25 23:31:07.026633','2026-11-25 23:30:04.546770','2.25.12',0,1);
INSERT INTO "deliveries" VALUES(13,7,'archive','delivered',1,NULL,'2026-11-25 23:30:04.712090',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:04.554650',NULL,0,0);
INSERT INTO "deliveries" VALUES(14,7,'pacs','committed',1,NULL,'2026-11-25 23:30:07.063937',0,NULL,'2026-11-25 23:31:07.045223','2026-11-25 23:30:04.555529','2.25.14',0,1);
INSERT INTO "deliveries" VALUES(15,8,'archive','delivered',1,NULL,'2026-11-25 23:30:04.718701',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:04.557725',NULL,0,0);
INSERT INTO "deliveries" VALUES(16,8,'pacs','committed',1,NULL,'2026-11-25 23:30:07.087880',0,NULL,'2026-11-25 23:31:07.074535','2026-11-25 23:30:04.562204','2.25.16',0,1);
INSERT INTO "deliveries" VALUES(17,11,'archive','delivered',1,NULL,'2026-11-25 23:30:06.835661',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:06.769325',NULL,0,0);
INSERT INTO "deliveries" VALUES(18,11,'pacs','pending',1,'no answer','2026-11-25 23:30:06.769811',1,NULL,'2026-11-25 23:30:12.102184','2026-11-25 23:30:06.769813',NULL,0,0);
INSERT INTO "deliveries" VALUES(19,12,'archive','delivered',1,NULL,'2026-11-25 23:30:06.847642',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:06.775646',NULL,0,0);
INSERT INTO "deliveries" VALUES(20,12,'pacs','dead',0,'0xA700: refused','2026-11-25 23:30:07.212494',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:06.776120',NULL,0,0);
INSERT INTO "deliveries" VALUES(21,13,'archive','delivered',1,NULL,'2026-11-25 23:30:06.862912',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:06.784629',NULL,0,0);
INSERT INTO "deliveries" VALUES(22,13,'pacs','pending',1,'no answer','2026-11-25 23:30:06.785174',1,NULL,'2026-11-25 23:30:12.221692','2026-11-25 23:30:06.785175',NULL,0,0);
INSERT INTO "deliveries" VALUES(23,14,'archive','delivered',1,NULL,'2026-11-25 23:30:06.869682',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:06.791087',NULL,0,0);
INSERT INTO "deliveries" VALUES(24,14,'pacs','dead',0,'0xA700: refused','2026-11-25 23:30:07.238864',0,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:06.791661',NULL,0,0);
INSERT INTO "deliveries" VALUES(25,15,'archive','pending',0,NULL,'2026-11-25 23:30:09.541754',1,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:09.541757',NULL,0,0);
INSERT INTO "deliveries" VALUES(26,15,'pacs','pending',0,NULL,'2026-11-25 23:30:09.547567',1,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:09.547574',NULL,0,0);
INSERT INTO "deliveries" VALUES(27,16,'archive','pending',0,NULL,'2026-11-25 23:30:09.555235',1,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:09.555243',NULL,0,0);
INSERT INTO "deliveries" VALUES(28,16,'pacs','pending',0,NULL,'2026-11-25 23:30:09.556642',1,NULL,'1970-01-01 00:00:00.000000','2026-11-25 23:30:09.556648',NULL,0,0);
CREATE TABLE destinations (
	name VARCHAR(64) NOT NULL, 
	failures INTEGER DEFAULT '0' NOT NULL, 
	error TEXT, 
	retry_at DATETIME, hangs_since DATETIME, 
	PRIMARY KEY (name)
);
INSERT INTO "destinations" VALUES('archive',0,NULL,NULL,NULL);
INSERT INTO "destinations" VALUES('pacs',0,NULL,NULL,NULL);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	instance_id INTEGER, 
	time DATETIME NOT NULL, 
	event VARCHAR(32) NOT NULL, 
	data JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(instance_id) REFERENCES instances (id)
);
INSERT INTO "events" VALUES(1,1,'2026-11-25 23:30:00.310306','received','{"arrival": "new", "calling_ae_title": "MODALITY", "peer_address": "127.0.0.1"}');
INSERT INTO "events" VALUES(2,2,'2026-11-25 23:30:00.343992','received','{"arrival": "new", "calling_ae_title": "MODALITY", "peer_address": "127.0.0.1"}');
INSERT INTO "events" VALUES(3,3,'2026-11-25 23:30:00.372012','received','{"arrival": "new", "calling_ae_title": "MODALITY", "peer_address": "127.0.0.1"}');
INSERT INTO "events" VALUES(4,4,'2026-11-25 23:30:00.436238','received','{"arrival": "new", "calling_ae_title": "MODALITY", "peer_address": "127.0.0.1"}');
INSERT INTO "events" VALUES(5,5,'2026-11-25 23:30:00.467949','received','{"arrival": "new", "calling_ae_title": "MODALITY", "peer_address": "127.0.0.1"}');
INSERT INTO "events" VALUES(6,6,'2026-11-25 23:30:00.500495','received','{"arrival": "new", "calling_ae_title": "MODALITY", "peer_address": "127.0.0.1"}');
INSERT INTO "events" VALUES(7,7,'2026-11-25 23:30:00.527107','received','{"arrival": "new", "calling_ae_title": "MODALITY", "peer_address": "127.0.0.1"}');
INSERT INTO "events" VALUES(8,8,'2026-11-25 23:30:00.539778','received','{"arrival": "new", "calling_ae_title": "STRANGER", "peer_address": "127.0.0.1"}');
INSERT INTO "events" VALUES(9,5,'2026-11-25 23:30:04.481933','ineligible','{"reason": "lateral", "detail": "View Code (399173006, SCT) says lateral."}');
INSERT INTO "events" VALUES(10,6,'2026-11-25 23:30:04.493734','failed','{"reason": "undecodable", "detail": "Pixel Data has 268832 bytes, 449376 are expected."}');
INSERT INTO "events" VALUES(11,7,'2026-11-25 23:30:04.495231','ineligible','{"reason": "not_chest", "detail": "Anatomic Region is (85562004, SCT)."}');
INSERT INTO "events" VALUES(12,1,'2026-11-25 23:30:04.503182','inferred','{"label": "Normal", "p_pneumonia": 0.15763594245125448}');
INSERT INTO "events" VALUES(13,1,'2026-11-25 23:30:04.505053','encoded','{"kind": "sr", "result_sop_instance_uid": "2.25.3571726732786473156394409777829514755"}');
INSERT INTO "events" VALUES(14,1,'2026-11-25 23:30:04.513119','encoded','{"kind": "sc", "result_sop_instance_uid": "2.25.292363776684739383669082938274340748740"}');
INSERT INTO "events" VALUES(15,2,'2026-11-25 23:30:04.517701','inferred','{"label": "Pneumonia", "p_pneumonia": 0.8885426847724829}');
INSERT INTO "events" VALUES(16,2,'2026-11-25 23:30:04.522740','encoded','{"kind": "sr", "result_sop_instance_uid": "2.25.287532126549616408840367933499108788714"}');
INSERT INTO "events" VALUES(17,2,'2026-11-25 23:30:04.524769','encoded','{"kind": "sc", "result_sop_instance_uid": "2.25.226712206564365452001571864832942313968"}');
INSERT INTO "events" VALUES(18,3,'2026-11-25 23:30:04.534676','inferred','{"label": "Normal", "p_pneumonia": 0.3187475296321189}');
INSERT INTO "events" VALUES(19,3,'2026-11-25 23:30:04.535740','encoded','{"kind": "sr", "result_sop_instance_uid": "2.25.129980174829466002359632010054063255347"}');
INSERT INTO "events" VALUES(20,3,'2026-11-25 23:30:04.542844','encoded','{"kind": "sc", "result_sop_instance_uid": "2.25.227976793276193048158598268609576558264"}');
INSERT INTO "events" VALUES(21,4,'2026-11-25 23:30:04.549132','inferred','{"label": "Undetermined", "p_pneumonia": null}');
INSERT INTO "events" VALUES(22,4,'2026-11-25 23:30:04.549882','encoded','{"kind": "sr", "result_sop_instance_uid": "2.25.139033852892729259035121297211937867881"}');
INSERT INTO "events" VALUES(23,4,'2026-11-25 23:30:04.556472','encoded','{"kind": "sc", "result_sop_instance_uid": "2.25.225073629572895965217087752365008567811"}');
INSERT INTO "events" VALUES(24,8,'2026-11-25 23:30:04.570116','inferred','{"label": "Pneumonia", "p_pneumonia": 0.8694323878882798}');
INSERT INTO "events" VALUES(25,8,'2026-11-25 23:30:04.571800','encoded','{"kind": "sr", "result_sop_instance_uid": "2.25.52753919375899182136246467728493023176"}');
INSERT INTO "events" VALUES(26,8,'2026-11-25 23:30:04.573003','encoded','{"kind": "sc", "result_sop_instance_uid": "2.25.78973746611732326580657698201049163153"}');
INSERT INTO "events" VALUES(27,8,'2026-11-25 23:30:04.575236','failed','{"reason": "not_routed", "detail": "answered, but no route matches its calling AE title; state one under routes, then gateway retry"}');
INSERT INTO "events" VALUES(28,2,'2026-11-25 23:30:04.603484','feedback','{"reader": "anna", "verdict": "agree"}');
INSERT INTO "events" VALUES(29,2,'2026-11-25 23:30:04.614135','feedback','{"reader": "ben", "verdict": "disagree"}');
INSERT INTO "events" VALUES(30,3,'2026-11-25 23:30:04.625941','feedback','{"reader": "anna", "verdict": "agree"}');
INSERT INTO "events" VALUES(31,4,'2026-11-25 23:30:04.637726','feedback','{"reader": "anna", "verdict": "unsure"}');
INSERT INTO "events" VALUES(32,1,'2026-11-25 23:30:04.666883','delivered','{"destination": "archive", "kind": "sr", "result_sop_instance_uid": "2.25.3571726732786473156394409777829514755"}');
INSERT INTO "events" VALUES(33,1,'2026-11-25 23:30:04.673483','delivered','{"destination": "archive", "kind": "sc", "result_sop_instance_uid": "2.25.292363776684739383669082938274340748740"}');
INSERT INTO "events" VALUES(34,2,'2026-11-25 23:30:04.683262','delivered','{"destination": "archive", "kind": "sr", "result_sop_instance_uid": "2.25.287532126549616408840367933499108788714"}');
INSERT INTO "events" VALUES(35,2,'2026-11-25 23:30:04.686874','delivered','{"destination": "archive", "kind": "sc", "result_sop_instance_uid": "2.25.226712206564365452001571864832942313968"}');
INSERT INTO "events" VALUES(36,3,'2026-11-25 23:30:04.695521','delivered','{"destination": "archive", "kind": "sr", "result_sop_instance_uid": "2.25.129980174829466002359632010054063255347"}');
INSERT INTO "events" VALUES(37,3,'2026-11-25 23:30:04.707546','delivered','{"destination": "archive", "kind": "sc", "result_sop_instance_uid": "2.25.227976793276193048158598268609576558264"}');
INSERT INTO "events" VALUES(38,4,'2026-11-25 23:30:04.712543','delivered','{"destination": "archive", "kind": "sr", "result_sop_instance_uid": "2.25.139033852892729259035121297211937867881"}');
INSERT INTO "events" VALUES(39,4,'2026-11-25 23:30:04.719354','delivered','{"destination": "archive", "kind": "sc", "result_sop_instance_uid": "2.25.225073629572895965217087752365008567811"}');
INSERT INTO "events" VALUES(40,1,'2026-11-25 23:30:04.731428','delivered','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.3571726732786473156394409777829514755"}');
INSERT INTO "events" VALUES(41,1,'2026-11-25 23:30:04.739364','delivered','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.292363776684739383669082938274340748740"}');
INSERT INTO "events" VALUES(42,2,'2026-11-25 23:30:04.743266','delivered','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.287532126549616408840367933499108788714"}');
INSERT INTO "events" VALUES(43,2,'2026-11-25 23:30:04.751286','delivered','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.226712206564365452001571864832942313968"}');
INSERT INTO "events" VALUES(44,3,'2026-11-25 23:30:04.754902','delivered','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.129980174829466002359632010054063255347"}');
INSERT INTO "events" VALUES(45,3,'2026-11-25 23:30:04.763565','delivered','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.227976793276193048158598268609576558264"}');
INSERT INTO "events" VALUES(46,4,'2026-11-25 23:30:04.767475','delivered','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.139033852892729259035121297211937867881"}');
INSERT INTO "events" VALUES(47,4,'2026-11-25 23:30:04.779598','delivered','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.225073629572895965217087752365008567811"}');
INSERT INTO "events" VALUES(48,2,'2026-11-25 23:30:04.794743','reprocessed','{"label": "Pneumonia", "p_pneumonia": 0.8885426847724829, "state": "inferred"}');
INSERT INTO "events" VALUES(49,3,'2026-11-25 23:30:04.807379','reprocessed','{"label": "Normal", "p_pneumonia": 0.3187475296321189, "state": "inferred"}');
INSERT INTO "events" VALUES(50,2,'2026-11-25 23:30:06.767477','inferred','{"label": "Normal", "p_pneumonia": 0.8885426847724829}');
INSERT INTO "events" VALUES(51,2,'2026-11-25 23:30:06.768488','encoded','{"kind": "sr", "result_sop_instance_uid": "2.25.41036199710788438707253959737591977372"}');
INSERT INTO "events" VALUES(52,2,'2026-11-25 23:30:06.774783','encoded','{"kind": "sc", "result_sop_instance_uid": "2.25.236950943573674941158562660806094005725"}');
INSERT INTO "events" VALUES(53,3,'2026-11-25 23:30:06.782384','inferred','{"label": "Normal", "p_pneumonia": 0.3187475296321189}');
INSERT INTO "events" VALUES(54,3,'2026-11-25 23:30:06.783482','encoded','{"kind": "sr", "result_sop_instance_uid": "2.25.269987147436304965551454393912253193202"}');
INSERT INTO "events" VALUES(55,3,'2026-11-25 23:30:06.785695','encoded','{"kind": "sc", "result_sop_instance_uid": "2.25.130314292977667078253052405035144778555"}');
INSERT INTO "events" VALUES(56,2,'2026-11-25 23:30:06.811323','feedback','{"reader": "ben", "verdict": "agree"}');
INSERT INTO "events" VALUES(57,3,'2026-11-25 23:30:06.819002','feedback','{"reader": "ben", "verdict": "disagree"}');
INSERT INTO "events" VALUES(58,2,'2026-11-25 23:30:06.836313','delivered','{"destination": "archive", "kind": "sr", "result_sop_instance_uid": "2.25.41036199710788438707253959737591977372"}');
INSERT INTO "events" VALUES(59,2,'2026-11-25 23:30:06.850247','delivered','{"destination": "archive", "kind": "sc", "result_sop_instance_uid": "2.25.236950943573674941158562660806094005725"}');
INSERT INTO "events" VALUES(60,3,'2026-11-25 23:30:06.863632','delivered','{"destination": "archive", "kind": "sr", "result_sop_instance_uid": "2.25.269987147436304965551454393912253193202"}');
INSERT INTO "events" VALUES(61,3,'2026-11-25 23:30:06.870388','delivered','{"destination": "archive", "kind": "sc", "result_sop_instance_uid": "2.25.130314292977667078253052405035144778555"}');
INSERT INTO "events" VALUES(62,1,'2026-11-25 23:30:06.909453','committed','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.3571726732786473156394409777829514755"}');
INSERT INTO "events" VALUES(63,1,'2026-11-25 23:30:06.936792','committed','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.292363776684739383669082938274340748740"}');
INSERT INTO "events" VALUES(64,2,'2026-11-25 23:30:06.959809','committed','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.287532126549616408840367933499108788714"}');
INSERT INTO "events" VALUES(65,2,'2026-11-25 23:30:06.984772','committed','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.226712206564365452001571864832942313968"}');
INSERT INTO "events" VALUES(66,3,'2026-11-25 23:30:07.012512','committed','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.129980174829466002359632010054063255347"}');
INSERT INTO "events" VALUES(67,3,'2026-11-25 23:30:07.036193','committed','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.227976793276193048158598268609576558264"}');
INSERT INTO "events" VALUES(68,4,'2026-11-25 23:30:07.064359','committed','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.139033852892729259035121297211937867881"}');
INSERT INTO "events" VALUES(69,4,'2026-11-25 23:30:07.088323','committed','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.225073629572895965217087752365008567811"}');
INSERT INTO "events" VALUES(70,2,'2026-11-25 23:30:07.103732','delivery_failed','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.41036199710788438707253959737591977372", "error": "no answer"}');
INSERT INTO "events" VALUES(71,2,'2026-11-25 23:30:07.216402','dead_lettered','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.236950943573674941158562660806094005725", "error": "0xA700: refused"}');
INSERT INTO "events" VALUES(72,3,'2026-11-25 23:30:07.223236','delivery_failed','{"destination": "pacs", "kind": "sr", "result_sop_instance_uid": "2.25.269987147436304965551454393912253193202", "error": "no answer"}');
INSERT INTO "events" VALUES(73,3,'2026-11-25 23:30:07.239593','dead_lettered','{"destination": "pacs", "kind": "sc", "result_sop_instance_uid": "2.25.130314292977667078253052405035144778555", "error": "0xA700: refused"}');
INSERT INTO "events" VALUES(74,3,'2026-11-25 23:30:07.254424','reprocessed','{"label": "Normal", "p_pneumonia": 0.3187475296321189, "state": "inferred"}');
INSERT INTO "events" VALUES(75,3,'2026-11-25 23:30:07.735887','inferred','{"label": "Normal", "p_pneumonia": 0.3187475682679473}');
INSERT INTO "events" VALUES(76,3,'2026-11-25 23:30:07.754654','feedback','{"reader": "carl", "verdict": "agree"}');
INSERT INTO "events" VALUES(77,2,'2026-11-25 23:30:07.763557','reprocessed','{"label": "Normal", "p_pneumonia": 0.8885426847724829, "state": "inferred"}');
INSERT INTO "events" VALUES(78,2,'2026-11-25 23:30:09.538251','inferred','{"label": "Pneumonia", "p_pneumonia": 0.8885427023931417}');
INSERT INTO "events" VALUES(79,2,'2026-11-25 23:30:09.540193','encoded','{"kind": "sr", "result_sop_instance_uid": "2.25.211939091396406137378726291518313082123"}');
INSERT INTO "events" VALUES(80,2,'2026-11-25 23:30:09.548880','encoded','{"kind": "sc", "result_sop_instance_uid": "2.25.170805911075659913556220085440935608042"}');
INSERT INTO "events" VALUES(81,1,'2026-11-25 23:30:09.564006','reprocessed','{"label": "Normal", "p_pneumonia": 0.15763594245125448, "state": "delivered"}');
INSERT INTO "events" VALUES(82,9,'2026-11-25 23:30:09.600144','received','{"arrival": "new", "calling_ae_title": "MODALITY", "peer_address": "127.0.0.1"}');
CREATE TABLE executors (
	executor_id VARCHAR(255) NOT NULL, 
	beat_at DATETIME NOT NULL, life VARCHAR(255), answering JSON, 
	PRIMARY KEY (executor_id)
);
INSERT INTO "executors" VALUES('worker-1','2026-11-25 23:30:09.621293','life','{"name": "cxr-pneumonia-resnet50", "version": "1.1.0", "weights_sha256": "1b11353dc481c97d6aa52885b2649b50de08f237d5e8ca6f7730a0d4b983f023", "threshold": 0.5, "calibration": "temperature 0.67", "abstention": "distance 2.01, junk 0.233", "report": "comprehensive-3d", "software_version": "0.1.0+2b46e2a31426"}');
CREATE TABLE feedback (
	id INTEGER NOT NULL, 
	instance_id INTEGER NOT NULL, 
	reader VARCHAR(64) NOT NULL, 
	verdict VARCHAR(8) NOT NULL, 
	comment TEXT NOT NULL, 
	time DATETIME NOT NULL, 
	label VARCHAR(16), 
	p_pneumonia DOUBLE, 
	threshold DOUBLE, 
	model_version VARCHAR(64), 
	device_uid VARCHAR(64), 
	PRIMARY KEY (id), 
	FOREIGN KEY(instance_id) REFERENCES instances (id)
);
INSERT INTO "feedback" VALUES(1,2,'anna','agree','left lower lobe','2026-11-25 23:30:04.599724','Pneumonia',8.88542684772482882493e-01,0.5,'1.1.0','2.25.307206115808845735898693944773949927587');
INSERT INTO "feedback" VALUES(2,2,'ben','disagree','','2026-11-25 23:30:04.613668','Pneumonia',8.88542684772482882493e-01,0.5,'1.1.0','2.25.307206115808845735898693944773949927587');
INSERT INTO "feedback" VALUES(3,3,'anna','agree','','2026-11-25 23:30:04.625553','Normal',3.18747529632118886677e-01,0.5,'1.1.0','2.25.307206115808845735898693944773949927587');
INSERT INTO "feedback" VALUES(4,4,'anna','unsure','no chest','2026-11-25 23:30:04.637319','Undetermined',NULL,0.5,'1.1.0','2.25.307206115808845735898693944773949927587');
INSERT INTO "feedback" VALUES(5,2,'ben','agree','now','2026-11-25 23:30:06.810777','Normal',8.88542684772482882493e-01,0.97,'1.1.0','2.25.307206115808845735898693944773949927587');
INSERT INTO "feedback" VALUES(6,3,'ben','disagree','','2026-11-25 23:30:06.818549','Normal',3.18747529632118886677e-01,0.97,'1.1.0','2.25.307206115808845735898693944773949927587');
INSERT INTO "feedback" VALUES(7,3,'carl','agree','','2026-11-25 23:30:07.754173','Normal',3.18747568267947312126e-01,0.5,'1.1.0','2.25.307206115808845735898693944773949927587');
CREATE TABLE folders (
	name VARCHAR(64) NOT NULL, 
	mark VARCHAR(36) NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "folders" VALUES('spool','343450c7-99ab-489e-a67b-68b646d025e1');
INSERT INTO "folders" VALUES('results','6e03ff64-1ea2-4091-b62f-a8c05b22ff16');
CREATE TABLE instances (
	id INTEGER NOT NULL, 
	sop_class_uid VARCHAR(64) NOT NULL, 
	sop_instance_uid VARCHAR(64) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	series_instance_uid VARCHAR(64) NOT NULL, 
	transfer_syntax_uid VARCHAR(64) NOT NULL, 
	calling_ae_title VARCHAR(16) NOT NULL, 
	called_ae_title VARCHAR(16) NOT NULL, 
	peer_address VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	path TEXT NOT NULL, 
	received_at DATETIME NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	state_at DATETIME NOT NULL, 
	reason VARCHAR(32), 
	detail TEXT, 
	batch VARCHAR(255), 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	deaths INTEGER DEFAULT '0' NOT NULL, 
	not_before DATETIME, 
	pixel_digest VARCHAR(64), 
	label VARCHAR(16), 
	p_pneumonia DOUBLE, 
	answer JSON, file_deleted_at DATETIME, study_description VARCHAR(64), scanner VARCHAR(129), brightness DOUBLE, contrast DOUBLE, 
	PRIMARY KEY (id), 
	UNIQUE (sop_instance_uid, sha256)
);
INSERT INTO "instances" VALUES(1,'1.2.840.10008.5.1.4.1.1.1.1','2.25.81651316609952017246080640474154432655','2.25.279545382908764317033112212060562692439','2.25.226594576980421594862176297858050709827','1.2.840.10008.1.2.1','MODALITY','CXR_GATEWAY','127.0.0.1','6e008b8f89e9a0ceea5590a0f906db9749886843bbf2262ad8a8fb3afed1e49d',1252036,'spool/9d/6e008b8f89e9a0ceea5590a0f906db9749886843bbf2262ad8a8fb3afed1e49d.dcm','2026-11-25 23:30:00.298810','received','2026-11-25 23:30:09.564906',NULL,NULL,NULL,0,0,NULL,'91745caff38ce6e76e8d60c47edc2c58289723c50e4d4b615ddaac48052ed6c0','Normal',1.57635942451254479346e-01,'{"model": {"name": "cxr-pneumonia-resnet50", "version": "1.1.0", "weights_sha256": "1b11353dc481c97d6aa52885b2649b50de08f237d5e8ca6f7730a0d4b983f023", "threshold": 0.5, "calibration": "temperature 0.67", "abstention": "distance 2.01, junk 0.233", "device_uid": "2.25.307206115808845735898693944773949927587"}, "configuration": "0e0f19a2e85443d4585b7e010c1414a4b7bb7ab457c263164c2698d1124628a9", "software_version": "0.1.0+2b46e2a31426", "steps": ["12 bits unsigned, Explicit VR Little Endian", "VOI window centre 2000.5 width 3201 (LINEAR)"], "abstained": null, "activation": [[0.1398, 0.2584, 0.2748, -0.0365, -0.0331, 0.3164, 0.2511], [-2.2361, -3.1048, -3.2411, -0.1801, -1.5256, -3.9681, -1.4784], [-2.4203, -1.2171, 1.9753, 2.1797, 0.6184, -0.7987, -2.4293], [-0.5492, 2.1881, -1.4825, 1.3098, -0.0657, -2.4042, -1.2034], [-0.33, -1.3374, -1.1317, -0.2129, -1.027, -6.094, -3.2204], [-0.0802, -2.2375, 0.2565, 0.0384, -2.7685, -6.2815, -5.189], [-0.0365, -1.2574, -0.2335, -2.2272, -2.9036, -2.1842, -1.7754]], "repaired": []}',NULL,'Synthetic radiograph','CXR Gateway Sample generator',0.4935,0.7859);
INSERT INTO "instances" VALUES(2,'1.2.840.10008.5.1.4.1.1.1.1','2.25.64092038045919139290101256126062307828','2.25.66986182704123998279610218328388079142','2.25.104382579387414224150476955028542785774','1.2.840.10008.1.2.1','MODALITY','CXR_GATEWAY','127.0.0.1','b768f5b8b15805ed08504609480341c1467d889994b0ed055229b589a13b5a99',1013450,'spool/99/b768f5b8b15805ed08504609480341c1467d889994b0ed055229b589a13b5a99.dcm','2026-11-25 23:30:00.342343','inferred','2026-11-25 23:30:09.535471',NULL,NULL,NULL,1,0,NULL,'8c6783d37af9fea82dca8fddaa55aaf3fde7923de921ead5d1d1b74642c69368','Pneumonia',8.88542702393141703431e-01,'{"model": {"name": "cxr-pneumonia-resnet50", "version": "1.1.0", "weights_sha256": "1b11353dc481c97d6aa52885b2649b50de08f237d5e8ca6f7730a0d4b983f023", "threshold": 0.5, "calibration": "temperature 0.67", "abstention": "distance 2.01, junk 0.233", "device_uid": "2.25.307206115808845735898693944773949927587"}, "configuration": "1f363f20d437278604620cbf00403fcb31dbc97398abbe9c4f1a02069c82da45", "software_version": "0.1.0+2b46e2a31426", "steps": ["12 bits unsigned, Explicit VR Little Endian", "VOI window centre 2000.5 width 3201 (LINEAR)"], "abstained": null, "activation": [[0.1437, 0.2521, 0.276, -0.1129, -0.0404, 0.2353, 0.2512], [-2.0081, -3.3974, -3.9865, -0.5025, -1.2222, -4.1248, -1.4109], [-2.2499, -0.8473, 3.5934, 3.1215, 3.527, 0.4028, -1.9465], [0.9277, 7.8232, 7.0147, 7.4605, 5.6238, 1.0455, -0.0441], [2.0973, 6.4802, 12.4365, 9.1293, 6.9885, 0.5386, -1.1967], [0.4115, 4.6901, 6.6389, 6.419, 1.4567, -3.2828, -3.2437], [-0.0255, -1.0589, 1.3439, -0.4605, -1.5793, -1.6586, -1.8508]], "repaired": []}',NULL,'Synthetic radiograph','CXR Gateway Sample generator',0.494,0.7904);
INSERT INTO "instances" VALUES(3,'1.2.840.10008.5.1.4.1.1.1','2.25.153878388008982175307148400032224851477','2.25.175270225204790063420220049718602365020','2.25.200410615203348969059064228725687696733','1.2.840.10008.1.2.1','MODALITY','CXR_GATEWAY','127.0.0.1','f7f53489d8425c15af5569280b74c155f08685829ff15f6b5e0ecd8953a6c1c8',450702,'spool/c8/f7f53489d8425c15af5569280b74c155f08685829ff15f6b5e0ecd8953a6c1c8.dcm','2026-11-25 23:30:00.370374','delivered','2026-11-25 23:30:07.737865',NULL,NULL,NULL,1,0,NULL,'8d1a4cd49decc23157d840714a79802a9c0028ec849f9e27df02e840b59042a9','Normal',3.18747568267947312126e-01,'{"model": {"name": "cxr-pneumonia-resnet50", "version": "1.1.0", "weights_sha256": "1b11353dc481c97d6aa52885b2649b50de08f237d5e8ca6f7730a0d4b983f023", "threshold": 0.5, "calibration": "temperature 0.67", "abstention": "distance 2.01, junk 0.233", "device_uid": "2.25.307206115808845735898693944773949927587"}, "configuration": "0e0f19a2e85443d4585b7e010c1414a4b7bb7ab457c263164c2698d1124628a9", "software_version": "0.1.0+2b46e2a31426", "steps": ["12 bits unsigned, Explicit VR Little Endian", "VOI window centre 2095.5 width 3201 (LINEAR)", "inverted: MONOCHROME1"], "abstained": null, "activation": [[0.1382, 0.2647, 0.3252, -0.1591, -0.0656, 0.316, 0.2526], [-2.0052, -3.2956, -3.6074, -0.7643, -2.1094, -4.7705, -1.8296], [-2.1781, -1.3269, 0.7353, -0.7651, -1.5749, -4.0879, -2.6235], [0.6177, 5.5042, 3.0706, 0.4509, -0.9206, 0.4755, 0.2664], [0.6748, 1.8183, 3.7644, 1.1781, 1.2678, -0.2585, -0.8667], [0.1753, -1.2964, 1.9476, 1.2747, -1.3472, -4.5993, -3.518], [-0.0339, -1.1903, -0.1271, -2.4449, -2.7382, -1.2932, -1.7313]], "repaired": []}',NULL,'Synthetic radiograph','CXR Gateway Sample generator',0.4952,0.7804);
INSERT INTO "instances" VALUES(4,'1.2.840.10008.5.1.4.1.1.1.1','2.25.54126085184260876339871429327206063031','2.25.20869042216951894634225912373156233625','2.25.300734643954241627946861466408185874899','1.2.840.10008.1.2.1','MODALITY','CXR_GATEWAY','127.0.0.1','cd05514f3449e12b5379da35824bc937223776af1b6c3f92bcc5e3894dac5156',16600,'spool/56/cd05514f3449e12b5379da35824bc937223776af1b6c3f92bcc5e3894dac5156.dcm','2026-11-25 23:30:00.434329','delivered','2026-11-25 23:30:07.088571',NULL,NULL,NULL,1,0,NULL,'e9789495df91c20d67b0de0f3dad917a940bdee374014a884b599915d4d0cd03','Undetermined',NULL,'{"model": {"name": "cxr-pneumonia-resnet50", "version": "1.1.0", "weights_sha256": "1b11353dc481c97d6aa52885b2649b50de08f237d5e8ca6f7730a0d4b983f023", "threshold": 0.5, "calibration": "temperature 0.67", "abstention": "distance 2.01, junk 0.233", "device_uid": "2.25.307206115808845735898693944773949927587"}, "configuration": "0e0f19a2e85443d4585b7e010c1414a4b7bb7ab457c263164c2698d1124628a9", "software_version": "0.1.0+2b46e2a31426", "steps": ["12 bits unsigned, Explicit VR Little Endian", "VOI window centre 2048 width 4096 (LINEAR)"], "abstained": "The image is no frontal chest radiograph (score 16.4, limit 0.2).", "activation": [[0.8804, 2.766, 2.6772, 3.0184, 1.7274, 3.6661, 1.0682], [2.9631, 4.9163, 4.5136, 5.3963, 5.355, 4.3916, 0.9451], [5.1501, 6.9213, 7.2209, 5.9403, 8.0234, 8.2487, 3.678], [4.312, 5.8432, 5.1972, 2.2046, 5.1132, 6.4345, 4.853], [3.9657, 5.1519, 4.9952, 2.5594, 4.0465, 6.8646, 4.1917], [3.2073, 5.5036, 6.5109, 4.0355, 4.1804, 6.0322, 3.5593], [1.3778, 1.5236, 2.0415, 1.2822, 1.7172, 1.5146, 0.4406]], "repaired": []}',NULL,'','Example Imaging',0.5046,0.6462);
INSERT INTO "instances" VALUES(5,'1.2.840.10008.5.1.4.1.1.1.1','2.25.42430401042673558015650364937357094884','2.25.279545382908764317033112212060562692439','2.25.285590664373162088155148827517382054767','1.2.840.10008.1.2.1','MODALITY','CXR_GATEWAY','127.0.0.1','74981bd423cd4adaba95e0cbc1572cd60321121f43290cca590eb30b4941bbd2',385482,'spool/d2/74981bd423cd4adaba95e0cbc1572cd60321121f43290cca590eb30b4941bbd2.dcm','2026-11-25 23:30:00.466383','ineligible','2026-11-25 23:30:04.477884','lateral','View Code (399173006, SCT) says lateral.',NULL,1,0,NULL,NULL,NULL,NULL,NULL,NULL,'Synthetic radiograph','CXR Gateway Sample generator',NULL,NULL);
INSERT INTO "instances" VALUES(6,'1.2.840.10008.5.1.4.1.1.1.1','2.25.179998525724335025165147334733253744086','2.25.186855730800176168497740910935406401316','2.25.40411991893305364973217383388512919178','1.2.840.10008.1.2.1','MODALITY','CXR_GATEWAY','127.0.0.1','8c727989b369acabffd581cae2709858705936baad285de51b5c34e17ed98c9a',270450,'spool/9a/8c727989b369acabffd581cae2709858705936baad285de51b5c34e17ed98c9a.dcm','2026-11-25 23:30:00.498994','failed','2026-11-25 23:30:04.493339','undecodable','Pixel Data has 268832 bytes, 449376 are expected.',NULL,1,0,NULL,NULL,NULL,NULL,NULL,NULL,'Synthetic radiograph','CXR Gateway Sample generator',NULL,NULL);
INSERT INTO "instances" VALUES(7,'1.2.840.10008.5.1.4.1.1.1.1','2.25.52059269403504980440497100241498383537','2.25.284715602064204027420591612351478667947','2.25.92029512560525880336228319975133931753','1.2.840.10008.1.2.1','MODALITY','CXR_GATEWAY','127.0.0.1','77ac61f861f84b0b5d67954b854ffdcf538d141d3ed51c09ccca86ff768ebe87',339522,'spool/87/77ac61f861f84b0b5d67954b854ffdcf538d141d3ed51c09ccca86ff768ebe87.dcm','2026-11-25 23:30:00.523588','ineligible','2026-11-25 23:30:04.494987','not_chest','Anatomic Region is (85562004, SCT).',NULL,1,0,NULL,NULL,NULL,NULL,NULL,NULL,'Synthetic radiograph','CXR Gateway Sample generator',NULL,NULL);
INSERT INTO "instances" VALUES(8,'1.2.840.10008.5.1.4.1.1.1','2.25.183022400559880263766800952918198461291','2.25.60654413567454051664086088110058323483','2.25.268189659430956353909759865381284561123','1.2.840.10008.1.2.1','STRANGER','CXR_GATEWAY','127.0.0.1','e775c3115199818780096aa6d1c0fa5c43a3677a52fef1b4a326e31ee8dd52d5',450712,'spool/d5/e775c3115199818780096aa6d1c0fa5c43a3677a52fef1b4a326e31ee8dd52d5.dcm','2026-11-25 23:30:00.538271','failed','2026-11-25 23:30:04.573627','not_routed','answered, but no route matches its calling AE title; state one under routes, then gateway retry',NULL,1,0,NULL,'3e07213bf3c726f2c9f30f626b349e164fab3ba2c5d84c3289214ad0c4635ac3','Pneumonia',8.69432387888279811782e-01,'{"model": {"name": "cxr-pneumonia-resnet50", "version": "1.1.0", "weights_sha256": "1b11353dc481c97d6aa52885b2649b50de08f237d5e8ca6f7730a0d4b983f023", "threshold": 0.5, "calibration": "temperature 0.67", "abstention": "distance 2.01, junk 0.233", "device_uid": "2.25.307206115808845735898693944773949927587"}, "configuration": "0e0f19a2e85443d4585b7e010c1414a4b7bb7ab457c263164c2698d1124628a9", "software_version": "0.1.0+2b46e2a31426", "steps": ["12 bits unsigned, Explicit VR Little Endian", "VOI window centre 2000.5 width 3201 (LINEAR)", "padding 4095 to 4095 made black", "black margins not shown to the model"], "abstained": null, "activation": [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, -0.8246, 0.8657, 2.6725, 2.7135, 1.2353, -0.5364], [0.0, -0.8554, 0.9661, 2.7271, 2.3913, 0.1725, -1.6373], [0.0, 0.1239, 1.7413, 3.4526, 2.4489, 1.1593, -1.0308], [0.0, 0.5386, 3.2511, 4.7575, 2.875, 0.6766, -1.3173], [0.0, 0.7195, 4.1946, 6.1966, 3.7168, 0.4036, -2.35], [0.0, 0.4785, 2.1752, 3.076, 2.0414, 0.3432, -1.807]], "repaired": []}',NULL,'Synthetic radiograph','CXR Gateway Sample generator',0.5131,0.785);
INSERT INTO "instances" VALUES(9,'1.2.840.10008.5.1.4.1.1.1','2.25.110233899794173317266377833798241170901','2.25.182574667965912707633422331771297364703','2.25.174838794095786481068482792115745528433','1.2.840.10008.1.2.5','MODALITY','CXR_GATEWAY','127.0.0.1','779ae14bc3aea3c9663f9705bc803f257b07c6c53cb659e90559eb35e7b15f1d',608560,'spool/1d/779ae14bc3aea3c9663f9705bc803f257b07c6c53cb659e90559eb35e7b15f1d.dcm','2026-11-25 23:30:09.598451','received','2026-11-25 23:30:09.598451',NULL,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE refusals (
	id INTEGER NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	event VARCHAR(32) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	calling_ae_title VARCHAR(64) NOT NULL, 
	called_ae_title VARCHAR(64) NOT NULL, 
	peer_address VARCHAR(64) NOT NULL, 
	sop_instance_uid VARCHAR(64) NOT NULL, 
	times BIGINT NOT NULL, 
	first_at DATETIME NOT NULL, 
	last_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (fingerprint)
);
INSERT INTO "refusals" VALUES(1,'cfba09b85b03befa8f6b8f87033b02ba2d0def20a2deaf6f0703ea2fa6b51a40','refused','0xA700','disk full','MODALITY','CXR_GATEWAY','127.0.0.1','',3,'2026-11-25 23:30:09.638907','2026-11-25 23:30:09.638907');
CREATE TABLE results (
	id INTEGER NOT NULL, 
	instance_id INTEGER NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	sop_class_uid VARCHAR(64) NOT NULL, 
	sop_instance_uid VARCHAR(64) NOT NULL, 
	path TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	created_at DATETIME NOT NULL, file_deleted_at DATETIME, superseded_at DATETIME, 
	PRIMARY KEY (id), 
	FOREIGN KEY(instance_id) REFERENCES instances (id), 
	UNIQUE (sop_instance_uid)
);
INSERT INTO "results" VALUES(1,1,'sr','1.2.840.10008.5.1.4.1.1.88.34','2.25.3571726732786473156394409777829514755','results/55/2.25.3571726732786473156394409777829514755.dcm','06dcf6626ab3eeb0d4ebaa8d860c65065b42519bb4de625552378f405d6638fb','2026-11-25 23:30:04.505048',NULL,NULL);
INSERT INTO "results" VALUES(2,1,'sc','1.2.840.10008.5.1.4.1.1.7','2.25.292363776684739383669082938274340748740','results/40/2.25.292363776684739383669082938274340748740.dcm','1e28ea547661aa822cd8d641c31dbf50fc57616662143be5ecad74da80cdcc0c','2026-11-25 23:30:04.513113',NULL,NULL);
INSERT INTO "results" VALUES(3,2,'sr','1.2.840.10008.5.1.4.1.1.88.34','2.25.287532126549616408840367933499108788714','results/14/2.25.287532126549616408840367933499108788714.dcm','e2f883cfb1ea2a99db8c22fe21f7ec199bf2ea621e9327d09e7e0f0d02ca1318','2026-11-25 23:30:04.522734',NULL,'2026-11-25 23:30:06.767936');
INSERT INTO "results" VALUES(4,2,'sc','1.2.840.10008.5.1.4.1.1.7','2.25.226712206564365452001571864832942313968','results/68/2.25.226712206564365452001571864832942313968.dcm','bebd13b3119ef198264c2adad8ea2304fd819ce045aabbc05061a7380e7ff5a5','2026-11-25 23:30:04.524765',NULL,'2026-11-25 23:30:06.767936');
INSERT INTO "results" VALUES(5,3,'sr','1.2.840.10008.5.1.4.1.1.88.34','2.25.129980174829466002359632010054063255347','results/47/2.25.129980174829466002359632010054063255347.dcm','17ab2078dd109a0ce4d92bb819c828bb572162da855a45faa738b6fa54b76e43','2026-11-25 23:30:04.535736',NULL,NULL);
INSERT INTO "results" VALUES(6,3,'sc','1.2.840.10008.5.1.4.1.1.7','2.25.227976793276193048158598268609576558264','results/64/2.25.227976793276193048158598268609576558264.dcm','2c6788afa3c18cac8bf7bb5bf3c5c60b88ced76d71263a6da24ebe746103012e','2026-11-25 23:30:04.542838',NULL,NULL);
INSERT INTO "results" VALUES(7,4,'sr','1.2.840.10008.5.1.4.1.1.88.34','2.25.139033852892729259035121297211937867881','results/81/2.25.139033852892729259035121297211937867881.dcm','3b875df5bc974d58d0a424494892062244b17b5f87408a36625ef3f8dc64ba88','2026-11-25 23:30:04.549877',NULL,NULL);
INSERT INTO "results" VALUES(8,4,'sc','1.2.840.10008.5.1.4.1.1.7','2.25.225073629572895965217087752365008567811','results/11/2.25.225073629572895965217087752365008567811.dcm','9c6d7474f061b299744371e41d7321835ecaf4bb9f669f5f419c94f7231a4e72','2026-11-25 23:30:04.556466',NULL,NULL);
INSERT INTO "results" VALUES(9,8,'sr','1.2.840.10008.5.1.4.1.1.88.34','2.25.52753919375899182136246467728493023176','results/76/2.25.52753919375899182136246467728493023176.dcm','4f700aa95681c87ba6b04b6a7f918414ac3527ce9c542fee194115b4602edd34','2026-11-25 23:30:04.571795',NULL,NULL);
INSERT INTO "results" VALUES(10,8,'sc','1.2.840.10008.5.1.4.1.1.7','2.25.78973746611732326580657698201049163153','results/53/2.25.78973746611732326580657698201049163153.dcm','2cfcaa79cf3a8685d67783c748ba24bb4b312fde1ab0b1d0d54d7a905833e7f1','2026-11-25 23:30:04.572997',NULL,NULL);
INSERT INTO "results" VALUES(11,2,'sr','1.2.840.10008.5.1.4.1.1.88.34','2.25.41036199710788438707253959737591977372','results/72/2.25.41036199710788438707253959737591977372.dcm','49ac9e81194a357807e183df8fb3d5505e9c10bc03cb1e901c522128c7e18ff5','2026-11-25 23:30:06.768483',NULL,'2026-11-25 23:30:09.539211');
INSERT INTO "results" VALUES(12,2,'sc','1.2.840.10008.5.1.4.1.1.7','2.25.236950943573674941158562660806094005725','results/25/2.25.236950943573674941158562660806094005725.dcm','67798cd656af7705344c408235f19724acc479aacb8a8feef914d364409fa27d','2026-11-25 23:30:06.774774',NULL,'2026-11-25 23:30:09.539211');
INSERT INTO "results" VALUES(13,3,'sr','1.2.840.10008.5.1.4.1.1.88.34','2.25.269987147436304965551454393912253193202','results/02/2.25.269987147436304965551454393912253193202.dcm','bab9c7b0625205caed080693143697f54ecbb887c8973d8c42b5e57209f49e1e','2026-11-25 23:30:06.783477',NULL,'2026-11-25 23:30:07.736314');
INSERT INTO "results" VALUES(14,3,'sc','1.2.840.10008.5.1.4.1.1.7','2.25.130314292977667078253052405035144778555','results/55/2.25.130314292977667078253052405035144778555.dcm','42b63248781219d3fbefa05ffada0e3db757317e69d5f21a483fe6e0ee4d47b4','2026-11-25 23:30:06.785691',NULL,'2026-11-25 23:30:07.736314');
INSERT INTO "results" VALUES(15,2,'sr','1.2.840.10008.5.1.4.1.1.88.33','2.25.211939091396406137378726291518313082123','results/23/2.25.211939091396406137378726291518313082123.dcm','7983d811c11b2c49d58915d3131ca74ae2a8f2d4c7b406ef3c04d59359786ef6','2026-11-25 23:30:09.540186',NULL,NULL);
INSERT INTO "results" VALUES(16,2,'sc','1.2.840.10008.5.1.4.1.1.7','2.25.170805911075659913556220085440935608042','results/42/2.25.170805911075659913556220085440935608042.dcm','de5aadcc029f0838bda4606cc95827e9f8124cabe6dacbaf629242c631627849','2026-11-25 23:30:09.548869',NULL,NULL);
CREATE TABLE tallies (
	stage VARCHAR(16) NOT NULL, 
	bucket INTEGER NOT NULL, 
	runs BIGINT NOT NULL, 
	seconds DOUBLE NOT NULL, 
	last_timing INTEGER NOT NULL, 
	PRIMARY KEY (stage, bucket)
);
CREATE TABLE timings (
	id INTEGER NOT NULL, 
	stage VARCHAR(16) NOT NULL, 
	seconds DOUBLE NOT NULL, 
	time DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "timings" VALUES(1,'receive',0.01,'2026-11-25 23:30:00.311661');
INSERT INTO "timings" VALUES(2,'receive',0.01,'2026-11-25 23:30:00.344271');
INSERT INTO "timings" VALUES(3,'receive',0.01,'2026-11-25 23:30:00.374274');
INSERT INTO "timings" VALUES(4,'receive',0.01,'2026-11-25 23:30:00.436561');
INSERT INTO "timings" VALUES(5,'receive',0.01,'2026-11-25 23:30:00.468215');
CREATE INDEX ix_instances_state ON instances (state, batch, id);
CREATE INDEX ix_instances_study ON instances (study_instance_uid);
CREATE INDEX ix_results_instance_id ON results (instance_id);
CREATE INDEX ix_events_instance_id ON events (instance_id);
CREATE INDEX ix_deliveries_transaction_uid ON deliveries (transaction_uid);
CREATE INDEX ix_deliveries_due ON deliveries (destination, open, held_by, not_before);
CREATE INDEX ix_instances_calling ON instances (calling_ae_title, id, state, reason, label);
CREATE INDEX ix_instances_reason ON instances (reason, id);
CREATE INDEX ix_instances_label ON instances (label, id, state);
CREATE INDEX ix_instances_state_id ON instances (state, id, label, reason);
CREATE INDEX ix_instances_received ON instances (received_at, scanner, label, p_pneumonia, brightness, contrast);
CREATE INDEX ix_deliveries_health ON deliveries (destination, state, state_at);
CREATE INDEX ix_feedback_instance_id ON feedback (instance_id);
CREATE INDEX ix_timings_stage ON timings (stage, id);
CREATE INDEX ix_instances_kept ON instances (state, state_at) WHERE file_deleted_at IS NULL;
CREATE INDEX ix_results_kept ON results (created_at, instance_id) WHERE file_deleted_at IS NULL;
CREATE INDEX ix_refusals_last ON refusals (last_at);
CREATE INDEX ix_refusals_image ON refusals (sop_instance_uid);
CREATE INDEX ix_refusals_peer ON refusals (peer_address);
COMMIT;
